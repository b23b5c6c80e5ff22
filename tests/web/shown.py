"""Opens pages in a browser without a screen and prints what each says in the end: `shown.py BROWSER FOLDER PAGE...`.

The folder is served on this machine; a page has an element `#state` that says `Loading …` until it has done its work.
"""

import functools
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading

SAID = """new Promise((said) => {
  const state = document.querySelector("#state");
  const look = () => state.textContent.startsWith("Loading") || said(state.textContent);
  new MutationObserver(look).observe(state, { childList: true, characterData: true, subtree: true });
  look();
})"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *_: object) -> None:
        pass


class Browser:
    def __init__(self, program: str, profile: str) -> None:
        reads, self.commands = os.pipe()
        self.messages, writes = os.pipe()

        def ends() -> None:
            # Away from 3 and 4 first, which one of them may be.
            kept = [os.dup2(reads, 30), os.dup2(writes, 31)]
            os.dup2(kept[0], 3)
            os.dup2(kept[1], 4)

        flags = "--headless --remote-debugging-pipe --no-sandbox --no-zygote --in-process-gpu".split()
        flags += ["--enable-features=WebMachineLearningNeuralNetwork", f"--user-data-dir={profile}", "about:blank"]
        libraries = os.path.join(os.path.dirname(program), "al2023/lib")
        self.process = subprocess.Popen(
            [program, *flags],
            preexec_fn=ends,
            close_fds=False,
            stderr=subprocess.DEVNULL,
            env={"LD_LIBRARY_PATH": libraries, "HOME": profile},
        )
        os.close(reads)
        os.close(writes)
        self.heard = b""
        self.last = 0
        self.session: dict = {}

    def receive(self) -> dict:
        while b"\0" not in self.heard:
            more = os.read(self.messages, 1 << 16)
            if not more:
                sys.exit("the browser has ended")
            self.heard += more
        message, self.heard = self.heard.split(b"\0", 1)
        return json.loads(message)

    def call(self, method: str, **params: object) -> dict:
        self.last += 1
        message = {"id": self.last, "method": method, "params": params, **self.session}
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while (answer := self.receive()).get("id") != self.last:
            pass
        return answer["result"]

    def wait(self, event: str) -> None:
        while self.receive().get("method") != event:
            pass


def main(program: str, folder: str, *pages: str) -> None:
    serve = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, profile)
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        browser.session = {"sessionId": attached["sessionId"]}
        browser.call("Page.enable")
        for page in pages:
            browser.call("Page.navigate", url=f"http://127.0.0.1:{server.server_port}/{page}")
            browser.wait("Page.loadEventFired")
            said = browser.call("Runtime.evaluate", expression=SAID, awaitPromise=True, returnByValue=True)
            print(said["result"].get("value"))
        browser.process.kill()
        browser.process.wait()


main(*sys.argv[1:])
