//! Semihosting: calls that an emulator or a debugger carries out. Without one, the first call stops the machine.

use core::{arch::asm, ffi::CStr};

const SYS_WRITE0: usize = 0x04;
const SYS_CLOCK: usize = 0x10;
const SYS_TIME: usize = 0x11;
const SYS_EXIT: usize = 0x18;

/// Prints a text on the host.
pub fn say(text: &CStr) {
    // SAFETY: the host reads up to the zero byte at the end of the text.
    unsafe { call(SYS_WRITE0, text.as_ptr() as usize) };
}

/// Prints `name: number`.
pub fn report(name: &CStr, number: usize) {
    let mut digits = [0; 11];
    let mut rest = number;
    // The last byte stays zero, and ends the text.
    for digit in digits.iter_mut().rev().skip(1) {
        *digit = if rest > 0 || number == 0 { b'0' + (rest % 10) as u8 } else { b' ' };
        rest /= 10;
    }
    say(name);
    say(c": ");
    say(CStr::from_bytes_with_nul(&digits).unwrap_or_default());
    say(c"\n");
}

/// Seconds since 1970.
pub fn seconds() -> u32 {
    // SAFETY: it takes no argument.
    unsafe { call(SYS_TIME, 0) as u32 }
}

/// Hundredths of a second since the start.
pub fn centiseconds() -> u32 {
    // SAFETY: it takes no argument.
    unsafe { call(SYS_CLOCK, 0) as u32 }
}

/// Ends the emulator with exit status 0 or 1.
pub fn exit(well: bool) -> ! {
    const APPLICATION_EXIT: usize = 0x20026;
    const RUN_TIME_ERROR: usize = 0x20023;
    loop {
        // SAFETY: the argument is a reason, not an address.
        unsafe { call(SYS_EXIT, if well { APPLICATION_EXIT } else { RUN_TIME_ERROR }) };
    }
}

/// # Safety
///
/// `argument` must be what `operation` expects.
unsafe fn call(operation: usize, argument: usize) -> usize {
    let result;
    // SAFETY: the host uses two registers, returns one, and writes no memory in any of the operations above.
    unsafe { asm!("bkpt #0xAB", inout("r0") operation => result, in("r1") argument, options(nostack)) };
    result
}
