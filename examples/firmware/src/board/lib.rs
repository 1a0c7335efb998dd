//! The machine under the firmware: its UARTs, the host that runs it, how deep its stack went. All `unsafe` code is here.
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
