# Compiles sources to bytecode until standard input ends. Arguments: how bytecode is checked against its source, whether
# a source that changes the bytes of others is compiled alone, in a process of its own, and the time of the files that
# are written, or nothing.
#
# A message is its length in four bytes, little end first, and then fields that are separated by zero bytes. A request:
# the source, its final path, and for each level the level and the file to write. An answer: a word and a text.
import sys

# Without -I, "" is the first entry, and modules would be taken from the working directory.
if sys.path[:1] == [""]:
    del sys.path[0]

import gc
import marshal
import os
from importlib import _bootstrap_external

MODE, ALONE, EPOCH = sys.argv[1], sys.argv[2] == "alone", sys.argv[3]
MAGIC = _bootstrap_external.MAGIC_NUMBER
FLAGS = {"timestamp": 0, "unchecked-hash": 1, "checked-hash": 3}[MODE]
requests = open(0, "rb")


def send(to, message):
    left = memoryview(len(message).to_bytes(4, "little") + message)
    while left:
        left = left[os.write(to, left) :]


def answer(word, text):
    send(1, word + b"\0" + text)


def messages(stream):
    while True:
        length = stream.read(4)
        if len(length) < 4:
            return
        yield stream.read(int.from_bytes(length, "little")).split(b"\0")


def header(stat, content):
    if FLAGS:
        import _imp

        check = _imp.source_hash(int.from_bytes(MAGIC[:4], "little"), content)
    else:
        # The source gets this time, too, but only after it was compiled.
        time = int(EPOCH or stat.st_mtime)
        check = b"".join((number & 0xFFFFFFFF).to_bytes(4, "little") for number in (time, len(content)))
    # Python 3.6 knows no flags (PEP 552).
    flags = FLAGS.to_bytes(4, "little") if sys.version_info >= (3, 7) else b""
    return MAGIC + flags + check


def write(path, content):
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with open(path, "wb", 0, opener=lambda path, _: os.open(path, flags, 0o666)) as file:
        left = memoryview(content)
        while left:
            left = left[file.write(left) :]
        if EPOCH:
            os.fchmod(file.fileno(), 0o644)
            os.utime(file.fileno(), (int(EPOCH), int(EPOCH)))
    return len(content)


def needs_clean_process(content):
    # The bytes of a source depend on what the interpreter has in memory already. Which sources leave something there,
    # or find something, is known of 3.11 and later: with 1,300 sources in two orders, 26 differed in 3.8.
    if sys.version_info < (3, 11):
        return True
    # A single character outside of ASCII that is a name stays interned.
    if not content.isascii():
        return True
    # An encoding is imported. UTF-8 needs no import (PEP 263), and a line that is doubtful counts as another encoding.
    for line in content.split(b"\n", 2)[:2]:
        _, word, rest = line.partition(b"coding")
        is_utf8 = rest[:1] in (b":", b"=") and (rest[1:].strip() + b" ").lower().startswith(b"utf-8 ")
        if word and not is_utf8:
            return True
    return sys.version_info >= (3, 12) and may_have_frozen_set(content)


def may_have_frozen_set(content):
    # Names stay interned in 3.12 and later. A constant set is made anew if one of its strings was interned before, and
    # then two equal sets of a source are not one. Such a set follows the word `in`.
    at = content.find(b"{")
    while at >= 0:
        before = content[max(at - 200, 0) : at].rstrip(b" \t\r\n\f\\(")
        # A comment may be between the two.
        if not before or before.endswith(b"in") or b"#" in before[before.rfind(b"\n") + 1 :]:
            return True
        at = content.find(b"{", at + 1)
    return False


def in_child(work, *arguments):
    child = os.fork()
    if child == 0:
        work(*arguments)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        os._exit(1)


def refuse(error):
    # Imported only now, since most sources can be compiled and its import takes long.
    import traceback

    text = "".join(traceback.format_exception_only(type(error), error))
    answer(b"refused", text.encode("utf-8", "backslashreplace"))


def compile_one(source, final, *outputs):
    with open(source, "rb") as file:
        content, stat = file.read(), os.fstat(file.fileno())
    name = final.decode("utf-8", "surrogateescape")
    try:
        # Each code object is freed before the next one is made: strings that two of them share change the bytes.
        bodies = [
            marshal.dumps(compile(content, name, "exec", dont_inherit=True, optimize=int(level))) for level in outputs[::2]
        ]
    except Exception as error:
        if ALONE:
            # The modules that are imported would stay.
            in_child(refuse, error)
        else:
            refuse(error)
        return
    head = header(stat, content)
    sizes = [write(path, head + body) for path, body in zip(outputs[1::2], bodies)]
    answer(b"compiled", b" ".join(b"%d" % size for size in sizes))


def reporting(source, work, *arguments):
    try:
        work(*arguments)
    except OSError as error:
        answer(b"failed", b"%d %s" % (error.errno or 0, os.fsencode(error.filename or source)))


class Helper:
    """A process that compiles one source after the other, so that this one stays as it was at its start."""

    def __init__(self):
        requests, self.requests = os.pipe()
        self.done, done = os.pipe()
        if os.fork() == 0:
            # Otherwise this process would keep the pipe open whose end it waits for.
            os.close(self.requests)
            self.serve(open(requests, "rb"), done)
        os.close(requests)
        os.close(done)

    def serve(self, requests, done):
        for fields in messages(requests):
            reporting(fields[0], compile_one, *fields)
            os.write(done, b"\0")
        os._exit(0)

    def compile(self, fields):
        send(self.requests, b"\0".join(fields))
        if not os.read(self.done, 1):
            os._exit(1)


def compile_alone(helper, fields):
    with open(fields[0], "rb") as file:
        content = file.read()
    if needs_clean_process(content):
        in_child(reporting, fields[0], compile_one, *fields)
    else:
        helper.compile(fields)


def main():
    # Code objects form no cycles, so the collector would only look at them in vain.
    gc.disable()
    os.write(1, b"\0pkg-install compiles\0")
    answer(b"ready", (sys.implementation.cache_tag or "").encode())
    helper = Helper() if ALONE else None
    for fields in messages(requests):
        if helper:
            reporting(fields[0], compile_alone, helper, fields)
        else:
            reporting(fields[0], compile_one, *fields)
    # The installer has ended, perhaps because it was killed. The rest of the exit would only take time.
    os._exit(0)


main()
