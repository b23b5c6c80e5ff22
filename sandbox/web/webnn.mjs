// `webnn`: the browser's Web Neural Network API, on the device that it calls `cpu`. It takes sizes that are fixed.

let dispatched = 0;

export const backend = {
  provider: { name: "webnn", deviceType: "cpu" },
  async device() {
    if (navigator.ml === undefined) throw new Error("this browser has no WebNN");
    await navigator.ml.createContext({ deviceType: "cpu" });
    const { dispatch } = MLContext.prototype;
    MLContext.prototype.dispatch = function (...given) {
      dispatched += 1;
      return dispatch.apply(this, given);
    };
    return "cpu";
  },
  dispatched: () => dispatched,
};
