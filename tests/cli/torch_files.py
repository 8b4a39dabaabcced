"""Files of torch.save, written with the standard library alone: a zip archive of a pickle and of storages."""
import io
import pickle
import struct
import zipfile

STORAGES = {"F32": ("FloatStorage", 4), "F16": ("HalfStorage", 2), "BF16": ("BFloat16Storage", 2), "I64": ("LongStorage", 8)}


class Ask:
    """Pickles to a call of `function` with these arguments when somebody loads it."""
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def tensor(key, dtype, shape, count, offset=0, strides=None):
    """The opcodes of one tensor over storage `key` of `count` elements."""
    if strides is None:
        strides, step = [], 1
        for size in reversed(shape):
            strides.insert(0, step)
            step *= size
    storage = (b"(" + text("storage") + b"ctorch\n" + STORAGES[dtype][0].encode() + b"\n" + text(key) + text("cpu") +
               number(count) + b"tQ")
    sizes = b"".join(b"(" + b"".join(map(number, values)) + b"t" for values in (shape, strides))
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + sizes + b"\x89ccollections\nOrderedDict\n)RtR")


def archive(pickled, storages, compression=zipfile.ZIP_STORED, **more):
    """The bytes of a file with this data.pkl."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as out:
        out.writestr("archive/data.pkl", pickled)
        out.writestr("archive/byteorder", more.get("byteorder", "little"))
        for key, content in storages.items():
            out.writestr(f"archive/data/{key}", content)
    return data.getvalue()


def torch_save(entries, **more):
    """A state dict of `entries`, name -> (dtype, shape, bytes) as checkpoints.py has them."""
    body, storages = b"", {}
    for i, (name, (dtype, shape, content)) in enumerate(entries.items()):
        storages[str(i)] = content
        body += text(name) + tensor(str(i), dtype, shape, len(content) // STORAGES[dtype][1])
    return archive(b"\x80\x02}(" + body + b"u.", storages, **more)


def malicious(value):
    """A file whose pickle holds `value` (an Ask) beside nothing else."""
    return archive(pickle.dumps({"weight": value}, protocol=2), {})
