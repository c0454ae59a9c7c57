"""Unpacks the application into a cache, unless that was done before, and runs it."""
import os
import sys

ID, ENTRY = "@ID@", "@ENTRY_NAME@"
# The bytes of this file that are the zip archive with the environment.
START, END = @START@, @END@

@BASE@

def unpack(archive, new):
    import io
    import struct
    import threading
    import zipfile
    import zlib

    file = os.open(archive, os.O_RDONLY)

    class Inner(io.RawIOBase):
        at = 0

        def readable(self):
            return True

        def seekable(self):
            return True

        def seek(self, offset, whence=0):
            self.at = offset + (0, self.at, END - START)[whence]
            return self.at

        def tell(self):
            return self.at

        def readinto(self, into):
            count = max(0, min(len(into), END - START - self.at))
            data = os.pread(file, count, START + self.at)
            into[: len(data)] = data
            self.at += len(data)
            return len(data)

    def read(at, count):
        data = os.pread(file, count, at)
        if len(data) < count:
            raise OSError("%s is cut off" % archive)
        return data

    def pieces(info):
        at = START + info.header_offset
        at += 30 + sum(struct.unpack("<HH", read(at + 26, 4)))
        inflate = zlib.decompressobj(-15) if info.compress_type else None
        left = info.compress_size
        while left:
            count = min(left, 1 << 18)
            data = read(at, count)
            at, left = at + count, left - count
            while inflate and data:
                yield inflate.decompress(data, 1 << 20)
                data = inflate.unconsumed_tail
            if data:
                yield data
        if inflate:
            yield inflate.flush()

    def write(info):
        mode = 0o777 if info.external_attr >> 16 & 0o100 else 0o666
        path, checksum = os.path.join(new, info.filename), 0
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb", 0) as out:
            for piece in pieces(info):
                checksum = zlib.crc32(piece, checksum)
                piece = memoryview(piece)
                while piece:
                    piece = piece[out.write(piece) :]
        if checksum != info.CRC:
            raise OSError("%s is damaged: %s" % (archive, info.filename))

    def work():
        while todo and not failures:
            try:
                write(todo.pop())
            except IndexError:
                return
            except BaseException as error:
                failures.append(error)

    try:
        # The largest are written first, so that no thread ends up with one alone.
        todo = zipfile.ZipFile(io.BufferedReader(Inner())).infolist()
        for path in sorted({os.path.dirname(info.filename) for info in todo}):
            os.makedirs(os.path.join(new, path), exist_ok=True)
        todo.sort(key=lambda info: info.file_size)
        failures = []
        threads = [threading.Thread(target=work) for _ in range(min(os.cpu_count() or 1, 8))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        os.close(file)
    if failures:
        raise failures[0]

def is_ready(root):
    return os.access(os.path.join(root, "bin", "@NAME@"), os.X_OK) and own(root)

def environment(cache, key, program):
    root = os.path.join(cache, ID) + key
    if is_ready(root):
        return root
    import fcntl
    import shutil

    parent, name = os.path.split(root)
    os.makedirs(parent, 0o700, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    lock = os.open(os.path.join(parent, ".%s.lock" % name), flags, 0o600)
    try:
        # The system releases the lock of a process that dies.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_ready(root):
            return root
        if os.path.isdir(root):
            # The interpreter that it was made for is gone, or was replaced.
            settle(root, program)
            return root
        begin = ".%s.new-" % name
        # Only processes that died have left these, since others hold the lock.
        for old in os.listdir(parent):
            if old.startswith(begin):
                shutil.rmtree(os.path.join(parent, old), True)
        new = os.path.join(parent, "%s%d" % (begin, os.getpid()))
        os.makedirs(new, 0o755)
        try:
            unpack(os.path.abspath(sys.argv[0]), new)
            settle(new, program)
            os.rename(new, root)
        except BaseException:
            shutil.rmtree(new, True)
            raise
        return root
    finally:
        os.close(lock)

def main():
    if not fits():
        sys.exit("%s: this application needs @NAME@" % sys.argv[0])
    key = os.environ.pop("PKG_INSTALL_PACK_FOUND", "") or os.path.abspath(sys.executable)
    program = base()
    root = in_cache(lambda cache: environment(cache, key, program))
    python = os.path.join(root, "bin", "@NAME@")
    arguments = [python]
    if ENTRY and not os.environ.get("PKG_INSTALL_PACK_INTERPRETER"):
        arguments.append(os.path.join(root, "bin", ENTRY))
    os.execv(python, arguments + sys.argv[1:])

main()
