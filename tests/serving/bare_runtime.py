"""A SavedModel in TensorFlow's C++ runtime, in a process without Python's TensorFlow.

The TensorFlow wheel holds the runtime as libraries with a C interface, which has no Python
operations and none that an add-on registered. TF Serving is built on the same C++ loader; its own
binary is not run here.

    with BareRuntime("exports/camvid/1") as runtime:
        (outputs,) = runtime.ask([("about", np.array([b"classes"], object))])
"""

import ctypes
import dataclasses
import importlib.util
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
STRING = 7  # TF_STRING; the other codes are those of NUMPY_TYPES
NUMPY_TYPES = {1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 9: np.int64, 10: np.bool_}
STRING_BYTES = 24  # of a TF_TString
OK = 0


@dataclasses.dataclass(frozen=True)
class Request:
    """A run of the graph.

    Attributes:
        feeds: {tensor name, like "serving_default_image_bytes:0": array}; strings are bytes in an
            array of objects.
        fetches: tensor names.
    """

    feeds: dict
    fetches: list


@dataclasses.dataclass(frozen=True)
class Failure:
    """The error of a request.

    Attributes:
        code: of `tf.errors`, 3 for an invalid argument.
        message: of the runtime.
    """

    code: int
    message: str


class ProcessDied(RuntimeError):  # noqa: N818
    """The model could not be loaded, or a request ended the process; holds its last message."""


class BareRuntime:
    """A process with a model, to be closed or used as a context.

    Args:
        directory: of a SavedModel.

    Raises:
        ProcessDied: by its methods.
    """

    def __init__(self, directory):
        self._directory = pathlib.Path(directory).resolve()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(self._directory)],
            cwd=ROOT,
            env={"TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def missing(self, operations):
        """Which of these operations, given by name, the runtime has no kernel for."""
        return self._call("missing", list(operations))

    def ask(self, requests):
        """{output: array}, or a `Failure`, for each (signature, array)."""
        signatures = self._signatures()
        runs = [_request(signatures[name], value) for name, value in requests]
        results = self._call("run", runs)
        return [
            _named(signatures[name], result)
            for (name, _), result in zip(requests, results, strict=True)
        ]

    def close(self):
        """Ends the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _signatures(self):
        from tensorflow.core.protobuf import saved_model_pb2

        content = (self._directory / "saved_model.pb").read_bytes()
        (graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
        return graph.signature_def

    def _call(self, what, argument):
        try:
            pickle.dump((what, argument), self._process.stdin)
            self._process.stdin.flush()
            return pickle.load(self._process.stdout)
        except (BrokenPipeError, EOFError) as error:
            raise ProcessDied(self._last_words()) from error

    def _last_words(self):
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        fatal = [line for line in lines if line.startswith("F")]  # of TensorFlow's log
        return (fatal or lines or [f"exit code {code}"])[-1]


def _request(signature, value):
    """The `Request` for all outputs of a signature with one input, in the order of their names."""
    ((_, tensor),) = signature.inputs.items()
    outputs = [signature.outputs[name].name for name in sorted(signature.outputs)]
    return Request({tensor.name: value}, outputs)


def _named(signature, result):
    """The arrays of a request by the names of their outputs; a `Failure` as it is."""
    if isinstance(result, Failure):
        return result
    return dict(zip(sorted(signature.outputs), result, strict=True))


def _main(directory):
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the runtime itself prints goes to stderr
    library = _library()
    model = None
    while sys.stdin.buffer.peek(1):
        what, argument = pickle.load(sys.stdin.buffer)
        if what == "missing":
            answer = [name for name in argument if not _has_kernel(library, name)]
        else:
            model = model or _Model(library, directory)
            answer = [model.run(request) for request in argument]
        pickle.dump(answer, answers)
        answers.flush()


class _Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("free", ctypes.c_void_p)]


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


def _library():
    directory = pathlib.Path(importlib.util.find_spec("tensorflow").origin).parent
    for name in ("tensorflow_framework", "tensorflow_cc"):
        (path,) = [*directory.glob(f"lib{name}.so.2"), *directory.glob(f"lib{name}.2.dylib")]
        library = ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    pointers = "NewStatus NewGraph NewSessionOptions LoadSessionFromSavedModel TensorData"
    pointers += " GraphOperationByName AllocateTensor StringGetDataPointer"
    for name in pointers.split():
        getattr(library, f"TF_{name}").restype = ctypes.c_void_p
    library.TF_Message.restype = ctypes.c_char_p
    library.TF_GetRegisteredKernelsForOp.restype = ctypes.POINTER(_Buffer)
    for name in ("Dim", "StringGetSize", "TensorByteSize"):
        getattr(library, f"TF_{name}").restype = ctypes.c_int64
    return library


def _has_kernel(library, operation):
    status = _pointer(library.TF_NewStatus())
    kernels = library.TF_GetRegisteredKernelsForOp(operation.encode(), status)
    return bool(kernels and kernels.contents.length)


def _pointer(address):
    return ctypes.c_void_p(address)


class _Model:
    """A loaded SavedModel."""

    def __init__(self, library, directory):
        self.library = library
        self.graph, status = _pointer(library.TF_NewGraph()), _pointer(library.TF_NewStatus())
        options, tags = _pointer(library.TF_NewSessionOptions()), (ctypes.c_char_p * 1)(b"serve")
        session = library.TF_LoadSessionFromSavedModel(
            *(options, None, directory.encode(), tags, 1, self.graph, None, status)
        )
        self.session = _pointer(session)
        if library.TF_GetCode(status) != OK:
            sys.exit(library.TF_Message(status).decode())

    def run(self, request):
        """The arrays that a `Request` fetches, or a `Failure`."""
        library, status = self.library, _pointer(self.library.TF_NewStatus())
        feeds, fetches = request.feeds, request.fetches
        inputs = (_Output * len(feeds))(*map(self._output, feeds))
        values = (ctypes.c_void_p * len(feeds))(*map(self._tensor, feeds.values()))
        outputs = (_Output * len(fetches))(*map(self._output, fetches))
        results = (ctypes.c_void_p * len(fetches))()
        library.TF_SessionRun(
            *(self.session, None),
            *(inputs, values, len(feeds)),
            *(outputs, results, len(fetches)),
            *(None, 0, None, status),
        )
        for value in values:
            library.TF_DeleteTensor(_pointer(value))
        code = library.TF_GetCode(status)
        message = library.TF_Message(status).decode(errors="replace")
        library.TF_DeleteStatus(status)
        return Failure(code, message) if code != OK else [self._array(_pointer(r)) for r in results]

    def _output(self, name):
        operation, _, index = name.partition(":")
        found = self.library.TF_GraphOperationByName(self.graph, operation.encode())
        if not found:
            sys.exit(f"the graph has no operation {operation}")
        return _Output(found, int(index))

    def _tensor(self, array):
        """A TF_Tensor that holds a copy of an array."""
        array = np.asarray(array)
        is_string = array.dtype == object
        codes = {np.dtype(kind): code for code, kind in NUMPY_TYPES.items()}
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        size = array.size * STRING_BYTES if is_string else array.nbytes
        code = STRING if is_string else codes[array.dtype]
        tensor = self.library.TF_AllocateTensor(code, shape, array.ndim, ctypes.c_size_t(size))
        data = self.library.TF_TensorData(_pointer(tensor))
        if not is_string:
            ctypes.memmove(data, np.ascontiguousarray(array).ctypes.data, size)
            return tensor
        for place, text in enumerate(array.ravel()):
            string = _pointer(data + place * STRING_BYTES)
            self.library.TF_StringInit(string)
            self.library.TF_StringCopy(string, bytes(text), ctypes.c_size_t(len(text)))
        return tensor

    def _array(self, tensor):
        """A copy of a TF_Tensor, which is freed."""
        library = self.library
        shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
        data, code = library.TF_TensorData(tensor), library.TF_TensorType(tensor)
        if code == STRING:
            array = np.empty(shape, object)
            for place in range(array.size):
                string = _pointer(data + place * STRING_BYTES)
                start = library.TF_StringGetDataPointer(string)
                array.flat[place] = ctypes.string_at(start, library.TF_StringGetSize(string))
        else:
            content = ctypes.string_at(data, library.TF_TensorByteSize(tensor))
            array = np.frombuffer(content, NUMPY_TYPES[code]).reshape(shape)
        library.TF_DeleteTensor(tensor)
        return array


if __name__ == "__main__":
    from tests.serving.bare_runtime import _main as main  # by the name that pickle knows

    main(sys.argv[1])
