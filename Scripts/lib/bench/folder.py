"""The folder that a bench works in, and memory for it where it is one of memory."""

import array
import contextlib
import ctypes
import mmap
import os
import shutil
import tempfile

from tools import Failure, memory_mib, run, say

MADV_POPULATE_WRITE = 23  # Linux 5.14; Python has no name for it
ADDRESS_BITS = (1 << 55) - 1  # of an entry of /proc/PID/pagemap
BLOCK_PAGES = 512  # the smallest run of free pages that a guest's kernel reports as free to its host
SPARE_MIB = 2 << 10
WORTH_BYTES = 16 << 20


@contextlib.contextmanager
def work_folder(parent, need):
    """A new folder in one that has `need` bytes free, gone again at the end."""
    if not os.path.isdir(parent):
        raise Failure(f"{parent} is no folder: give another --folder")
    room = shutil.disk_usage(parent).free
    if room < need:
        raise Failure(f"{parent} has {room >> 20} MiB free and {need >> 20} MiB are needed: give another --folder")
    folder = tempfile.mkdtemp(prefix="hawker-bench.", dir=parent)
    try:
        is_memory = run("stat", "--file-system", "--format=%T", folder).strip() == "tmpfs"
        spare = int(memory_mib("meminfo", "MemAvailable")) - SPARE_MIB
        touched = touched_memory(min(need, spare << 20)) if is_memory else None
        yield folder
        del touched
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def touched_memory(size):
    """Makes so many bytes of free memory cost the same each time they are taken, as long as what it returns lives.

    A virtual machine that tells its host which memory is free has it taken away, and each new page of a file then
    costs several microseconds of waiting for the host: 1.2 s a GiB were seen instead of 0.35, and 9.0 CPU s/GB of
    sixteen nodes instead of 6.6. So memory is taken once and let go but for one page in each block that would be
    reported.
    """
    size -= size % mmap.PAGESIZE
    if size < WORTH_BYTES:
        return None
    say(f"touch {size >> 20} MiB of memory")
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    memory.madvise(MADV_POPULATE_WRITE)
    start, seen = 0, set()
    for page, entry in enumerate(page_map(memory)):
        block = (entry & ADDRESS_BITS) // BLOCK_PAGES
        if block not in seen:
            seen.add(block)
            let_go(memory, start, page)
            start = page + 1
    let_go(memory, start, size // mmap.PAGESIZE)
    return memory


def page_map(memory):
    """Where each page lies."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    with open("/proc/self/pagemap", "rb", buffering=0) as file:
        file.seek(address // mmap.PAGESIZE * 8)
        return array.array("Q", file.read(len(memory) // mmap.PAGESIZE * 8))


def let_go(memory, start, end):
    if end > start:
        memory.madvise(mmap.MADV_DONTNEED, start * mmap.PAGESIZE, (end - start) * mmap.PAGESIZE)
