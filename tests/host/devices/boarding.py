"""A board without hardware: the mailbox's model as registers, a device behind it, plain memory."""

from shotveil.models.host_link.mailbox import CHUNKS, MailboxModel, MailboxRegister

ADDRESS = 0x100_0000  # of the buffer


class PlainMemory:
    """A buffer that both sides see; `fails` are addresses whose words come with an error, once."""

    def __init__(self, size):
        self.data, self.fails = bytearray(size), set()

    def word(self, address):
        return int.from_bytes(self.data[address : address + 4], "little")

    def set_word(self, address, value):
        self.data[address : address + 4] = value.to_bytes(4, "little")

    def read(self, address, count):
        return bytes(self.data[address : address + count])

    def write(self, address, data):
        self.data[address : address + len(data)] = data

    def __contains__(self, address):  # the node's side
        failed = address in self.fails
        self.fails.discard(address)
        return 0 <= address - ADDRESS < len(self.data) and not failed

    def __getitem__(self, address):
        return self.data[address - ADDRESS]


class ModelRegisters:
    """The mailbox's model as a processor sees it; `device.feed` has the bytes for the node.

    A wrong access raises `OSError`, where a processor would end the program. The node looks at its
    bytes each time the processor looks for an answer, or while `asleep` never does.
    """

    def __init__(self, device, memory=None):
        self.memory = memory
        self.model = MailboxModel(memory)
        self.device, self.asleep, self._up = device, False, b""

    def word(self, address):
        if address == MailboxRegister.UP_HEAD and not self.asleep:
            self.step()
        value, right = self.model.read(address)
        return self._right(value, right, address)

    def step(self):
        """Let the node see its bytes."""
        self._up += self.device.feed(self.model.take())
        self._up = self._up[self.model.give(self._up) :]

    def set_word(self, address, value):
        assert len(self.model.chunks) <= CHUNKS
        self._right(None, self.model.write(address, value), address)

    def read(self, address, count):
        begin, end = address & ~3, (address + count + 3) & ~3
        words = b"".join(self.word(at).to_bytes(4, "little") for at in range(begin, end, 4))
        return words[address - begin :][:count]

    def write(self, address, data):
        for at, byte in enumerate(data, address):
            self._right(None, self.model.write(at & ~3, byte << 8 * (at % 4), 1 << at % 4), at)

    @staticmethod
    def _right(value, right, address):
        if not right:
            raise OSError(f"bus error at {address:#x}")
        return value
