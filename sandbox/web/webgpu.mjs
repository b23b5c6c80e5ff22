// `webgpu`: the runtime's WebGPU provider, on the adapter that the browser has. The provider leaves what computes a shape to the
// processor; where shapes are fixed there is nothing of that kind.

let dispatched = 0;

export const backend = {
  provider: "webgpu",
  async device() {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) throw new Error("this browser has no WebGPU adapter");
    const { submit } = GPUQueue.prototype;
    GPUQueue.prototype.submit = function (...given) {
      dispatched += 1;
      return submit.apply(this, given);
    };
    return adapter.info.architecture || adapter.info.vendor || "unknown";
  },
  dispatched: () => dispatched,
};
