//! The server: it accepts one connection and echoes its messages until it is closed.

use core::ffi::CStr;

use board::{Uart, host};
use websocket_proto::{Config, Connection, Event, FixedStorage, Input, Sender, Server, Storage, Transport, server};

use crate::Room;

/// The largest message: it must fit the output for the echo, beside the 127 bytes that are kept free for a Close.
const LARGEST: u64 = 512 - 127 - 4;

pub fn serve(mut uart: Uart, room: &mut Room) -> Result<(), &'static CStr> {
    let mut handshake = server::Handshake::with_storage(
        Config::new().max_message(LARGEST),
        FixedStorage::new(&mut room.input[..]),
        FixedStorage::new(&mut room.output[..]),
    );
    let mut input = loop {
        let n = uart.read(&mut room.read);
        let mut input = Input::new(room.read.get_mut(..n).unwrap_or_default());
        if handshake.read(&mut input) {
            break input;
        }
    };
    let upgrade = match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => upgrade,
        Err(refusal) => {
            refuse(&mut uart, &refusal.response());
            return Err(c"the request was refused");
        }
    };
    let accept = server::Accept::new().subprotocol(upgrade.select_subprotocol(&["echo"]));
    let connection = upgrade.accept(&accept).map_err(|_| c"the acceptance can't be sent")?;
    host::report(c"server state", size_of_val(&connection));

    let Connection { receiver: mut rx, sender: mut tx } = connection;
    let mut outcome = Err(c"the client vanished");
    loop {
        while let Some(event) = rx.next_message(&mut input, &mut tx) {
            // Makes free space for the answer.
            write_out(&mut uart, &mut tx);
            match event {
                Event::Text(text) => tx.send_text(text).map_err(|_| c"a text can't be sent")?,
                Event::Binary(data) => tx.send_binary(data).map_err(|_| c"a message can't be sent")?,
                // It was answered already, like the Ping.
                Event::Close { .. } => outcome = Ok(()),
                // The Close that reports this is pending.
                Event::Failed(_) => outcome = Err(c"the client broke the protocol"),
                _ => {}
            }
        }
        write_out(&mut uart, &mut tx);
        if tx.transport() == Transport::CloseNow {
            return outcome;
        }
        let n = uart.read(&mut room.read);
        input = Input::new(room.read.get_mut(..n).unwrap_or_default());
    }
}

fn write_out(uart: &mut Uart, tx: &mut Sender<Server, impl Storage>) {
    while !tx.is_empty() {
        uart.write_all(tx.pending());
        tx.consume(usize::MAX);
    }
}

/// Writes a refusal directly to the line: the stores are gone with the handshake.
fn refuse(uart: &mut Uart, response: &server::Response<'_>) {
    let status = response.status();
    let digits = [status / 100, status / 10, status].map(|number| b'0' + (number % 10) as u8);
    for part in [b"HTTP/1.1 ", &digits[..], b" \r\nConnection: close\r\n"] {
        uart.write_all(part);
    }
    for (name, value) in response.header_list() {
        for part in [name, ": ", value, "\r\n"] {
            uart.write_all(part.as_bytes());
        }
    }
    uart.write_all(b"\r\n");
    uart.write_all(response.content());
}
