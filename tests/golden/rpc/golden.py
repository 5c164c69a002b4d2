"""The recorded requests of SPDK's scripts/rpc.py, and the shapes of their answers.

A file NN-name.json is one command, in the order of NN:

  argv      what was typed behind rpc.py
  stdin     what it was given to read, if anything
  requests  the exact bytes it sent, one string for each time it sent something
  result    the shape of the answer to the last request (or of each, in "results")
  error     instead: {"code": N, "message": "words that are in it"}

A shape is "string", "integer", "number", "boolean", "any"; {"=": value} for exactly that value;
[shape] for an array of such; {"name": shape, "name?": shape} for an object with these members, those
with ? optional, and no others. Shapes follow SPDK's documentation and sources, not our output.

Port 4420 and the folder /tmp/golden are replaced by ones of the run, in requests and shapes alike.
"""
import glob
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))


class Command:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)[:-5]
        with open(path) as f:
            self.__dict__.update(json.load(f))
        self.stdin = self.__dict__.get("stdin")
        self.requests = self.__dict__.get("requests", [])
        self.error = self.__dict__.get("error")
        self.results = self.__dict__.get("results") or [None] * (len(self.requests) - 1) + [
            self.__dict__.get("result")]


def load():
    return [Command(path) for path in sorted(glob.glob(os.path.join(HERE, "*-*.json")))]


class Places:
    """Where this run has its port and files."""

    def __init__(self, port, folder):
        self.port, self.folder = str(port), folder

    def put(self, value):
        """The same text, list or object with our port and folder in it."""
        if isinstance(value, str):
            return value.replace("4420", self.port).replace("/tmp/golden", self.folder)
        if isinstance(value, list):
            return [self.put(v) for v in value]
        if isinstance(value, dict):
            return {k: self.put(v) for k, v in value.items()}
        return value


TYPES = {"string": str, "integer": int, "boolean": bool, "number": (int, float)}


def mismatch(value, shape, where="result"):
    """None, or what is wrong with the value."""
    if shape is None or shape == "any":
        return None
    if isinstance(shape, str):
        fits = isinstance(value, TYPES[shape])
        if shape in ("integer", "number") and isinstance(value, bool):
            fits = False
        return None if fits else f"{where} is no {shape}: {value!r}"
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where} is no array: {value!r}"
        for i, item in enumerate(value):
            wrong = mismatch(item, shape[0], f"{where}[{i}]")
            if wrong:
                return wrong
        return None
    if set(shape) == {"="}:
        return None if value == shape["="] else f"{where} is {value!r}, not {shape['=']!r}"
    if not isinstance(value, dict):
        return f"{where} is no object: {value!r}"
    known = {k.rstrip("?"): (v, k.endswith("?")) for k, v in shape.items()}
    for name in value:
        if name not in known:
            return f"{where} has a member {name!r} that SPDK does not give"
    for name, (inner, optional) in known.items():
        if name not in value:
            if optional:
                continue
            return f"{where} lacks {name!r}"
        wrong = mismatch(value[name], inner, f"{where}.{name}")
        if wrong:
            return wrong
    return None


def check(command, index, answer):
    """None, or what is wrong with the answer (a JSON-RPC response, or a batch of them) to request
    number `index`."""
    error = command.error if index == len(command.requests) - 1 else None
    if isinstance(answer, list):
        for one in answer:
            if "error" in one:
                return f"an error in the batch: {one['error']}"
        return mismatch([one["result"] for one in answer], command.results[index])
    if error:
        got = answer.get("error")
        if not got:
            return f"success ({answer.get('result')!r}), not error {error['code']}"
        if got["code"] != error["code"] or error["message"] not in got["message"]:
            return f"error {got}, not {error}"
        return None
    if "error" in answer:
        return f"error {answer['error']}"
    return mismatch(answer["result"], command.results[index])
