//! websocket-sans-io: a frame codec that works in the read buffer, which the connections of a thread can share. Its
//! user checks the order of frames, assembles messages, checks text, answers pings and makes the masking keys. A
//! message that is in one piece is not copied.

use std::{
    cell::RefCell,
    io::{IoSlice, Read, Write},
    rc::Rc,
};

use websocket_sans_io::{FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEncoder, WebsocketFrameEvent};

use crate::{
    contender::{Contender, Cycle, Kind, Receive, Role, Send, Turn},
    socket::Socket,
};

const READ: usize = 64 << 10;

/// It has no limit of its own, so its user has one.
const MOST: usize = 256 << 20;

/// A server lends larger payloads to the socket.
const COPY: usize = 4 << 10;

pub struct WebsocketSansIo {
    buffer: Rc<RefCell<Vec<u8>>>,
}

impl WebsocketSansIo {
    pub fn new() -> Self {
        Self { buffer: Rc::new(RefCell::new(vec![0; READ])) }
    }
}

impl Contender for WebsocketSansIo {
    fn name(&self) -> &'static str {
        "websocket-sans-io"
    }

    fn receive(&self, receive: Receive, mut socket: Socket) -> Option<Turn> {
        if receive.deflate.is_some() {
            return None;
        }
        let (mut connection, buffer) = (Connection::new(receive.role), self.buffer.clone());
        Some(Box::new(move |seen| {
            connection.turn(&mut socket, &mut buffer.borrow_mut(), |kind, payload, _| seen.message(kind, payload));
        }))
    }

    fn send(&self, send: Send, mut socket: Socket) -> Option<Turn> {
        if send.deflate.is_some() {
            return None;
        }
        let mut payloads = Cycle::new(send.payloads);
        let mut out = Vec::new();
        Some(Box::new(move |_| {
            for _ in 0..send.flush {
                let payload = payloads.next();
                if send.role == Role::Server && payload.len() > COPY {
                    let header = WebsocketFrameEncoder::new().start_frame(&info(Opcode::Binary, payload, send.role));
                    let written = socket.write_vectored(&[IoSlice::new(&header), IoSlice::new(payload)]).unwrap();
                    assert_eq!(written, header.len() + payload.len());
                } else {
                    push_frame(&mut out, Opcode::Binary, payload, send.role);
                }
            }
            socket.write_all(&out).unwrap();
            out.clear();
        }))
    }

    fn echo(&self, mut socket: Socket) -> Option<Turn> {
        let (mut connection, buffer) = (Connection::new(Role::Server), self.buffer.clone());
        Some(Box::new(move |_| {
            connection.turn(&mut socket, &mut buffer.borrow_mut(), |kind, payload, out| {
                let opcode = if kind == Kind::Text { Opcode::Text } else { Opcode::Binary };
                push_frame(out, opcode, payload, Role::Server);
            });
        }))
    }

    fn size(&self) -> Option<usize> {
        Some(size_of::<Connection>())
    }
}

struct Connection {
    role: Role,
    decoder: WebsocketFrameDecoder,
    frame: FrameInfo,
    /// The kind of the open message, and the payload received so far if the message is not in one piece.
    kind: Option<Kind>,
    message: Vec<u8>,
    /// The payload of a control frame.
    control: Vec<u8>,
    /// Whether the message was delivered from the read buffer.
    delivered: bool,
    out: Vec<u8>,
}

impl Connection {
    fn new(role: Role) -> Self {
        Self {
            role,
            decoder: WebsocketFrameDecoder::new(),
            frame: FrameInfo::default(),
            kind: None,
            message: Vec::new(),
            control: Vec::new(),
            delivered: false,
            out: Vec::new(),
        }
    }

    fn turn(&mut self, socket: &mut Socket, buffer: &mut [u8], mut deliver: impl FnMut(Kind, &[u8], &mut Vec<u8>)) {
        while let Ok(count) = socket.read(buffer) {
            let mut rest = &mut buffer[..count];
            loop {
                let result = self.decoder.add_data(rest).unwrap();
                let (piece, behind) = rest.split_at_mut(result.consumed_bytes);
                rest = behind;
                match result.event {
                    Some(WebsocketFrameEvent::Start { frame_info, .. }) => self.start(frame_info),
                    Some(WebsocketFrameEvent::PayloadChunk { original_opcode }) => {
                        let is_whole = self.frame.fin && piece.len() as u64 == self.frame.payload_length;
                        if original_opcode.is_control() {
                            self.control.extend_from_slice(piece);
                        } else if let (true, true, Some(kind)) = (is_whole, self.message.is_empty(), self.kind) {
                            check(kind, piece);
                            deliver(kind, piece, &mut self.out);
                            self.delivered = true;
                        } else {
                            self.message.extend_from_slice(piece);
                            assert!(self.message.len() <= MOST, "the message is too large");
                        }
                    }
                    Some(WebsocketFrameEvent::End { frame_info, original_opcode }) => match original_opcode {
                        Opcode::Ping => {
                            push_frame(&mut self.out, Opcode::Pong, &self.control, self.role);
                            self.control.clear();
                        }
                        Opcode::Pong => self.control.clear(),
                        Opcode::ConnectionClose => panic!("closed"),
                        _ => {
                            if let (true, Some(kind)) = (frame_info.fin, self.kind) {
                                if !self.delivered {
                                    check(kind, &self.message);
                                    deliver(kind, &self.message, &mut self.out);
                                    self.message.clear();
                                }
                                (self.kind, self.delivered) = (None, false);
                            }
                        }
                    },
                    None if result.consumed_bytes == 0 => break,
                    None => {}
                }
            }
            if !self.out.is_empty() {
                socket.write_all(&self.out).unwrap();
                self.out.clear();
            }
        }
    }

    /// Checks a frame's header.
    fn start(&mut self, frame: FrameInfo) {
        assert!(frame.is_reasonable() && frame.mask.is_some() == (self.role == Role::Server), "a bad header");
        match (frame.opcode, self.kind) {
            (Opcode::Text, None) => self.kind = Some(Kind::Text),
            (Opcode::Binary, None) => self.kind = Some(Kind::Binary),
            (Opcode::Continuation, Some(_)) => {}
            (opcode, _) => assert!(opcode.is_control(), "a frame out of order"),
        }
        self.frame = frame;
    }
}

fn check(kind: Kind, payload: &[u8]) {
    if kind == Kind::Text {
        simdutf8::basic::from_utf8(payload).unwrap();
    }
}

fn push_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], role: Role) {
    let mut encoder = WebsocketFrameEncoder::new();
    out.extend_from_slice(&encoder.start_frame(&info(opcode, payload, role)));
    let start = out.len();
    out.extend_from_slice(payload);
    encoder.transform_frame_payload(&mut out[start..]);
}

fn info(opcode: Opcode, payload: &[u8], role: Role) -> FrameInfo {
    let mask = (role == Role::Client).then(rand::random);
    FrameInfo { opcode, payload_length: payload.len() as u64, mask, fin: true, reserved: 0 }
}
