"""A filter of system calls, as containers have one: for programs that have to do without one of them."""

# Part of a program that has imported ctypes, os and sys and set REFUSAL to an error's number: from here on
# `process_vm_readv` is refused by that. Ends with 77 where a system has no filters.
REFUSED = """
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]
step = __import__("struct").Struct("HBBI").pack
NUMBER = {"x86_64": 310, "aarch64": 270}[os.uname().machine]
steps = step(0x20, 0, 0, 0) + step(0x15, 0, 1, NUMBER) + step(0x06, 0, 0, 0x50000 | REFUSAL) + step(
    0x06, 0, 0, 0x7FFF0000
)
buffer = ctypes.create_string_buffer(steps, len(steps))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
if libc.prctl(22, 2, ctypes.byref(Program(len(steps) // 8, ctypes.addressof(buffer))), 0, 0) != 0:
    os._exit(77)
"""
