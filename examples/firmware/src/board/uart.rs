use core::ptr;

/// A serial line (ARM PL011), polled: the firmware uses it as the byte stream, in place of TCP.
///
/// On a real chip, first switch on its clock and its pins. QEMU doesn't need that.
pub struct Uart {
    registers: usize,
}

const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const LINE: usize = 0x2C;
const CONTROL: usize = 0x30;

const CANT_READ: u32 = 1 << 4;
const CANT_WRITE: u32 = 1 << 5;

/// Hangs up: drops incoming bytes until the line is silent for a moment. Otherwise TCP, behind QEMU, would see unread
/// bytes, reset the connection, and discard bytes that the peer has not read yet.
impl Drop for Uart {
    fn drop(&mut self) {
        let mut silence = 0;
        while silence < 100_000 {
            silence = if self.has_input() { 0 } else { silence + 1 };
            self.value(DATA);
        }
    }
}

impl Uart {
    pub fn first() -> Self {
        Self::new(0x4000_C000)
    }

    pub fn second() -> Self {
        Self::new(0x4000_D000)
    }

    fn new(registers: usize) -> Self {
        let uart = Self { registers };
        uart.set(LINE, 3 << 5 | 1 << 4); // 8 bits, queues of 16 bytes
        uart.set(CONTROL, 1 << 9 | 1 << 8 | 1); // on, both ways
        uart
    }

    /// Waits until something is received, and reads as many bytes as fit `buf`.
    pub fn read(&mut self, buf: &mut [u8]) -> usize {
        while !self.has_input() {}
        let mut count = 0;
        for byte in buf {
            if !self.has_input() {
                break;
            }
            *byte = self.value(DATA) as u8;
            count += 1;
        }
        count
    }

    pub fn has_input(&self) -> bool {
        self.value(FLAGS) & CANT_READ == 0
    }

    /// Waits until all bytes are sent.
    pub fn write_all(&mut self, bytes: &[u8]) {
        for byte in bytes {
            while self.value(FLAGS) & CANT_WRITE != 0 {}
            self.set(DATA, (*byte).into());
        }
    }

    fn value(&self, register: usize) -> u32 {
        // SAFETY: the chip has a register at this address, and reading it touches no memory.
        unsafe { ptr::read_volatile((self.registers + register) as *const u32) }
    }

    fn set(&self, register: usize, value: u32) {
        // SAFETY: the chip has a register at this address, and writing it touches no memory.
        unsafe { ptr::write_volatile((self.registers + register) as *mut u32, value) }
    }
}
