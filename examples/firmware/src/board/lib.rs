//! The hardware: its UARTs, the host that runs it, the depth of its stack. All `unsafe` code is here.
#![no_std]

pub mod host;
mod random;
pub mod stack;
mod uart;

pub use random::XorShift;
pub use uart::Uart;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    host::say(c"panicked\n");
    host::exit(false)
}
