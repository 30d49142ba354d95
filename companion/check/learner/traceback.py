"""An exception in a learner's code: shown without what is not theirs, with a hint."""

import ast
import linecache
import re
import traceback

from companion.check.learner.lines import is_library
from companion.errors import UserError

LONGEST = 200  # characters of a message in one line


class LoopError(UserError):
    """An exception in the learner's code, as Python shows it there, with a hint.

    Attributes
    ----------
    shown : str
        The traceback, without the lines of TensorFlow and the companion.
    hint : str
        What usually is behind it; "" if that is not known.
    name : str
        The mistake's name in the catalogue, or "".
    told : str
        Type and first line of the message.
    file, line : str and int, or None
        The innermost line of the learner's code.
    package : str
        The package that is not installed, if that is the cause; else "".
    not_done : bool
        Whether it is a NotImplementedError that this line raises: a stub that is not filled in.
    """

    def __init__(self, error: BaseException, during: str) -> None:
        self.shown, frames = shown(error)
        self.name, self.hint = hint_for(error, (frames[-1].line or "") if frames else "")
        if "symbolic" in message_of(error).lower() and not (frames and _is_inside_tape(frames[-1])):
            self.name = ""  # the tape may be right, and the number used only after it
        self.file: str | None = frames[-1].filename if frames else None
        self.line: int | None = frames[-1].lineno if frames else None
        if isinstance(error, SyntaxError) and error.filename and not is_library(error.filename):
            self.file, self.line = error.filename, error.lineno
        self.package = missing_package(error)
        raised = traceback.extract_tb(error.__traceback__)[-1:]
        at = [(frame.filename, frame.lineno) for frame in raised]
        self.not_done = isinstance(error, NotImplementedError) and at == [(self.file, self.line)]
        message = _from_graph(message_of(error))[1].strip().partition("\n")[0][:LONGEST]
        self.told = f"{type(error).__name__}: {message}".removesuffix(": ")
        where = f"{self.file}, line {self.line}, " if self.file else ""
        super().__init__(f"{where}{during}: {self.told}" + (f"; {self.hint}" if self.hint else ""))

    def name_it(self, name: str, hint: str) -> None:
        """Set the mistake and its hint, once a watched run has found the cause."""
        line = str(self).removesuffix(f"; {self.hint}")
        self.name, self.hint, self.args = name, hint, (f"{line}; {hint}",)


NO_GRADIENT = (
    "the tape found no path from the loss to the weights: call the model inside the tape, use only "
    "TensorFlow there (no float(), no .numpy(), no NumPy), and take the gradient of model.trainable_variables"
)
# What a message looks like, the mistake's name, what is usually behind it, and what must stand in the line.
HINTS = [
    (
        r"No gradients provided|argument `type_value`|no attribute '_id'|None values not supported",
        "no-gradient",
        NO_GRADIENT,
        "",
    ),
    (
        r"(unsupported operand|multiply|convert).*NoneType",
        "",
        "something is None here: a gradient, if the tape found no path from the loss to the weights, or the "
        "result of a function without return",
        "",
    ),
    (
        r"singleton tf.Variable|non-first call|tried to create variables",
        "variables-in-tf-function",
        "make model, optimizer and metrics outside of the tf.function, and call "
        "optimizer.build(model.trainable_variables) before the first step",
        "",
    ),
    (
        r"'?SymbolicTensor'? object has no attribute 'numpy'|NotImplementedError.*numpy|"
        r"symbolic tf.Tensor .*numpy array|Using a symbolic `tf.Tensor`|out of scope",
        "no-gradient",
        "inside tf.function there are no numbers yet: return the tensor, call float() or .numpy() outside",
        "",
    ),
    (
        r"[Uu]nknown variable",
        "",
        "an optimizer knows the variables of its first update only: make one for each list of variables, "
        "or call optimizer.build(model.trainable_variables) first; if it is made outside of train, make it "
        "inside: train is called several times, each time with a new network",
        "",
    ),
    (
        r"^EOFError|lost sys.stdin|raw_input was called",
        "",
        "your file asks a question: answer it in the terminal, or hand the answers in: < answers.txt",
        r"input\(",
    ),
    (
        r"(?i)(gpu|cuda)|list index out of range",
        "",
        "your file asks for a GPU, and there is none here: leave that out, or ask whether there is one",
        r"(?i)gpu",
    ),
    (
        r"has no attribute '_unique_id'",
        "",
        "the pairs are the wrong way round: apply_gradients takes zip(gradients, variables)",
        r"apply|zip",
    ),
    (
        r"not enough values to unpack \(expected 2, got 0\)",
        "",
        "there are no pairs: a zip can be gone through once only, so make a list of it: list(zip(...))",
        r"apply_gradients",
    ),
    (r"no attribute 'reset_states'", "", "Keras 3 calls it reset_state()", ""),
    (r"no attribute '_?lr'", "", "Keras 3 calls it optimizer.learning_rate", ""),
    (
        r"no attribute 'minimize'",
        "",
        "Keras 3 has no minimize: take the gradient with a tf.GradientTape, and call apply_gradients",
        "",
    ),
    (
        r"no attribute 'get_(un)?scaled_(loss|gradients)'",
        "",
        "in Keras 3 differentiate optimizer.scale_loss(loss); apply_gradients takes the scale out by itself",
        "",
    ),
    (
        r"module '?[\w.]*losses'? has no attribute|has no attribute '(\w+_crossentropy|mean_\w+_error)'",
        "",
        "Keras 3 has the losses as classes in keras.losses, such as keras.losses.MeanSquaredError()",
        r"losses",
    ),
    (
        r"Passed in object .* of type|'list' object has no attribute .*_id|watch.*(list|Variable)",
        "",
        "a tape watches trainable variables by itself: leave out tape.watch, or give it v.value of each",
        r"watch",
    ),
    (
        r"(?i)incompatible shapes|must have the same (shape|rank)|required broadcastable|"
        r"dimensions must be equal|same number of dim",
        "",
        "gradients and variables are misaligned: take the gradients of the same list of variables that is "
        "zipped with them",
        r"apply_gradients|\.apply\(",
    ),
    (
        r"(?i)incompatible shapes|is incompatible with the layer|must have the same (shape|rank)|"
        r"required broadcastable|dimensions must be equal|Matrix size-incompatible|cannot reshape|"
        r"could not be broadcast|same number of dim",
        "",
        "labels and predictions need the same shape: print both shapes. In a loop, the last batch has fewer "
        "rows; outside of it, rows of the training may meet rows of the test",
        "",
    ),
    (
        r"values to unpack",
        "",
        "apply_gradients takes pairs: zip(gradients, model.trainable_variables)",
        r"apply_gradients\((?!.*zip)",
    ),
    (
        r"values to unpack",
        "",
        "the loop expects a fixed number of weight arrays: use all of model.trainable_variables, however "
        "many there are",
        r"weights|variables",
    ),
]


def hint_for(error: BaseException, code: str = "") -> tuple[str, str]:
    """Return the mistake's name and the usual cause of an exception in a line of code; each may be ""."""
    text = f"{type(error).__name__}: {message_of(error)}"
    package = missing_package(error)
    if package:
        return "", f"your file needs this package, and it is not installed: pip install {_on_index(package)}"
    for pattern, name, hint, in_code in HINTS:
        if re.search(pattern, text) and re.search(in_code, code):
            return name, hint
    return "", ""


def missing_package(error: BaseException) -> str:
    """Return the package that is not installed, if that is the cause of an exception; else ""."""
    if type(error).__name__ == "TBNotInstalledError":  # TensorFlow's own, of tf.summary
        return "tensorboard"
    return (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""


# Packages whose name on the index is another than that which is imported.
ON_INDEX = {
    "cv2": "opencv-python",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def _on_index(package: str) -> str:
    """Return what a package is called where it is installed from."""
    return ON_INDEX.get(package, package.replace("_", "-"))


def _is_inside_tape(frame: traceback.FrameSummary) -> bool:
    """Return whether a line stands in the block of a ``with tf.GradientTape()``."""
    tree = ast.parse("".join(linecache.getlines(frame.filename)))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.With)]
    tapes = [node for node in blocks if any("GradientTape" in ast.unparse(item) for item in node.items)]
    return any(node.lineno <= (frame.lineno or 0) <= (node.end_lineno or 0) for node in tapes)


def message_of(error: BaseException) -> str:
    """Return the message of an exception, even if its own ``__str__`` fails."""
    try:
        return str(error)
    except Exception as another:  # the learner's own class
        return f"its message cannot be read ({type(another).__name__})"


def shown(error: BaseException) -> tuple[str, list[traceback.FrameSummary]]:
    """Show an exception as Python does, but only the learner's own lines."""
    told = traceback.TracebackException.from_exception(error)
    _keep_own(told)
    inside, message = _from_graph(message_of(error))
    if inside:
        lines = traceback.StackSummary.from_list([*told.stack, *inside]).format()
        text = ["Traceback (most recent call last):\n", *lines, f"{type(error).__name__}: {message}\n"]
        return "".join(text), [*told.stack, *inside]
    return "".join(told.format()), list(told.stack)


def _from_graph(message: str) -> tuple[list[traceback.FrameSummary], str]:
    """Take apart what tf.function puts in front of a message: the lines it was at, the library's too."""
    head, _, rest = message.partition("in user code:\n")
    if head.strip() or not rest:
        return [], message
    places = re.findall(r'^ +File "(.+)", line (\d+), in (\S+).*\n', rest, flags=re.MULTILINE)
    frames = [
        traceback.FrameSummary(file, int(line), name) for file, line, name in places if not is_library(file)
    ]
    blocks = [" ".join(block.split()) for block in re.split(r"\n\s*\n", rest) if block.strip()]
    last = blocks[-1].partition(": ")
    return frames, last[2] or last[0]


def _keep_own(told: traceback.TracebackException) -> None:
    told.stack[:] = [frame for frame in told.stack if not is_library(frame.filename)]
    for name in ("__cause__", "__context__"):
        other = getattr(told, name)
        if other is not None:
            _keep_own(other)
            if not other.stack:  # what happened inside TensorFlow only
                setattr(told, name, None)
