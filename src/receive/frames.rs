use core::{marker::PhantomData, mem};

use crate::{
    Input, STRAIGHT_PATHS,
    frame::{self, Close, CloseError, FirstByte, Header, MAX_CONTROL_PAYLOAD, MaskingKey, Opcode},
    storage::{ControlStore, StorageFull},
};

use super::{Failure, Kind};
use crate::{Config, Role};

/// The peer's bytes taken apart into frames: headers judged, payloads unmasked where they lie, control frames made
/// whole, and the order of fragments kept. What a message is made of is for the [`Receiver`](crate::Receiver).
pub(crate) struct Frames<R, C> {
    place: Place,
    /// The message whose last frame has not begun.
    message: Option<OpenMessage>,
    /// The payload of a control frame that a read has cut.
    control: C,
    max_frame: u64,
    max_fragments: u32,
    /// The RSV bits that an extension has claimed.
    claimed_rsv: u8,
    role: PhantomData<fn() -> R>,
}

/// Where in the stream the next byte is. The masking key is used where the peer is a client, and nowhere else.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Behind so many bytes of a header, which a read has cut; before it when there are none.
    Header { bytes: [u8; Header::MAX_LEN], len: u8 },
    /// Inside the payload of a text, binary or continuation frame.
    Data { kind: Kind, rsv: u8, fin: bool, mask: MaskingKey, remaining: u64 },
    /// Inside the payload of a control frame.
    Control { opcode: Opcode, mask: MaskingKey, remaining: u8 },
}

impl Place {
    const BETWEEN: Self = Self::Header { bytes: [0; Header::MAX_LEN], len: 0 };
}

/// The first bytes of frames that take the straight path.
const TEXT: u8 = FirstByte::last(Opcode::Text).encode();
const BINARY: u8 = FirstByte::last(Opcode::Binary).encode();
const FIRST_TEXT: u8 = FirstByte { fin: false, rsv: 0, opcode: Opcode::Text }.encode();
const FIRST_BINARY: u8 = FirstByte { fin: false, rsv: 0, opcode: Opcode::Binary }.encode();
const MORE: u8 = FirstByte { fin: false, rsv: 0, opcode: Opcode::Continuation }.encode();
const LAST: u8 = FirstByte::last(Opcode::Continuation).encode();
const PING: u8 = FirstByte::last(Opcode::Ping).encode();
const PONG: u8 = FirstByte::last(Opcode::Pong).encode();

/// How much text is unmasked, checked and stored at a time: it stays in a near cache meanwhile.
pub(crate) const BLOCK: usize = if cfg!(fuzzing) { 16 } else { 32 << 10 };

/// An extension copies what it has no room for, so that it gets only so much at a time.
pub(crate) const MOST_OF_EXTENSION: u64 = if cfg!(fuzzing) { 32 } else { 2 << 10 };

#[derive(Clone, Copy, Debug)]
struct OpenMessage {
    kind: Kind,
    /// Of its first frame: what an extension has done to all of it.
    rsv: u8,
    /// The payloads of its frames so far, as announced.
    len: u64,
    fragments: u32,
}

/// How much of a payload may come at once.
#[derive(Clone, Copy)]
pub(crate) enum Most {
    Bytes(usize),
    /// So many bytes; or all that is missing of the message, if it has come.
    BytesOrAll(usize),
}

impl Most {
    pub(crate) const ANY: Self = Self::Bytes(usize::MAX);

    pub(crate) fn bytes(self, all_has_come: bool) -> usize {
        match self {
            Self::BytesOrAll(_) if all_has_come => usize::MAX,
            Self::Bytes(count) | Self::BytesOrAll(count) => count,
        }
    }
}

/// What is wanted of the next payload.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) most: Most,
    /// To know of text whether it is ASCII, if that is to be seen while it is unmasked.
    pub(crate) ascii: bool,
}

/// What comes next, before anything of the receiver is lent.
pub(crate) enum Next<'b, D> {
    /// Of a message.
    Data(D),
    /// A whole control frame. Its payload is [`Frames::control_payload`] if it did not come in one piece.
    Control { opcode: Opcode, payload: Option<&'b [u8]> },
}

impl<'b, D> Next<'b, D> {
    pub(crate) fn convert<F: Into<D>>(next: Next<'b, F>) -> Self {
        match next {
            Next::Data(data) => Self::Data(data.into()),
            Next::Control { opcode, payload } => Self::Control { opcode, payload },
        }
    }
}

/// Payload of a message: never none, unless it is the last.
pub(crate) struct Data<'b> {
    pub(crate) kind: Kind,
    pub(crate) rsv: u8,
    pub(crate) bytes: &'b [u8],
    pub(crate) last: bool,
    /// It is text, and was seen to be ASCII.
    pub(crate) is_ascii: bool,
}

/// What is known of payload that was just unmasked.
#[derive(Default)]
pub(crate) struct Unmasked {
    /// These are the message's last bytes.
    pub(crate) last: bool,
    /// They are text, and were seen to be ASCII.
    pub(crate) is_ascii: bool,
}

/// Payload of a message as it came.
pub(crate) struct Masked<'b> {
    pub(crate) kind: Kind,
    pub(crate) bytes: &'b mut [u8],
    pub(crate) mask: Option<MaskingKey>,
    /// These are the message's last bytes.
    pub(crate) last: bool,
}

impl<R: Role, C: ControlStore> Frames<R, C> {
    /// No frame can be longer than the `longest`, unless the configuration says so.
    pub(crate) fn new(config: &Config, claimed_rsv: u8, longest: u64) -> Self {
        Self {
            place: Place::BETWEEN,
            message: None,
            control: C::default(),
            max_frame: config.max_frame.unwrap_or(longest),
            max_fragments: config.max_fragments,
            claimed_rsv,
            role: PhantomData,
        }
    }

    /// Goes on to the next payload, as it is wanted, or the next whole control frame. A message may have `max_message`
    /// bytes, unless an extension has changed its length.
    pub(crate) fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        max_message: u64,
        wanted: Wanted,
    ) -> Result<Option<Next<'b, Data<'b>>>, Failure> {
        loop {
            match self.place {
                Place::Header { .. } => {
                    let Some(header) = self.next_header(input, max_message)? else { return Ok(None) };
                    self.begin(&header);
                }
                Place::Data { kind, rsv, fin, remaining, .. } => {
                    let has_come = remaining <= input.remaining().len() as u64;
                    let most = if rsv == 0 { wanted.most.bytes(fin && has_come) } else { MOST_OF_EXTENSION as usize };
                    // A length beyond `usize` can't be had in one piece anyway.
                    let bytes = input.take(usize::try_from(remaining).unwrap_or(usize::MAX).min(most));
                    let Unmasked { last, is_ascii } = self.unmask_payload(bytes, wanted.ascii);
                    if last || !bytes.is_empty() {
                        return Ok(Some(Next::Data(Data { kind, rsv, bytes, last, is_ascii })));
                    }
                    if remaining > 0 {
                        return Ok(None);
                    }
                }
                Place::Control { opcode, mask, remaining } => {
                    let bytes = input.take(usize::from(remaining));
                    let mask = Self::unmask(mask, bytes);
                    let remaining = remaining - bytes.len() as u8;
                    let in_one_piece = remaining == 0 && self.control.bytes().is_empty();
                    if !in_one_piece {
                        self.control.append(bytes).map_err(|StorageFull| Failure::OutOfMemory)?;
                    }
                    let so_far = if in_one_piece { &*bytes } else { self.control.bytes() };
                    match opcode {
                        Opcode::Close if remaining > 0 => Close::parse_prefix(so_far)?,
                        Opcode::Close => _ = Close::parse(so_far)?,
                        _ => {}
                    }
                    if remaining > 0 {
                        self.place = Place::Control { opcode, mask, remaining };
                        return Ok(None);
                    }
                    self.place = Place::BETWEEN;
                    return Ok(Some(Next::Control { opcode, payload: in_one_piece.then_some(&*bytes) }));
                }
            }
        }
    }

    /// Where the peer masks, unmasks these bytes, and gives the key for those behind them.
    #[inline]
    fn unmask(key: MaskingKey, bytes: &mut [u8]) -> MaskingKey {
        if R::PEER_IS_CLIENT { key.apply(bytes) } else { key }
    }

    /// Forgets what was lent.
    pub(crate) fn clear(&mut self) {
        if !matches!(self.place, Place::Control { .. }) {
            self.control.clear();
        }
    }

    /// No more will come, nor the rest of what has begun.
    pub(crate) fn drop_rest(&mut self) {
        self.place = Place::BETWEEN;
        self.control.clear();
    }

    /// Whether the next byte begins a frame, and no message is open.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.message.is_none() && !self.is_inside_frame()
    }

    /// The straight path, which most messages take: one frame, all of it in the input, and nothing wrong with it, when all is at rest.
    /// `None` says nothing, and leaves the input as it was: [`next`](Self::next) judges everything else. `RSV` must be claimed.
    #[inline]
    pub(crate) fn whole_message<'b, const RSV: u8>(
        &self,
        input: &mut Input<'b>,
        max_message: u64,
    ) -> Option<(Kind, &'b mut [u8])> {
        let kind = match *input.remaining().first()? ^ RSV {
            BINARY => Kind::Binary,
            TEXT => Kind::Text,
            _ => return None,
        };
        Some((kind, Self::whole_frame(input, self.max_frame.min(max_message))?))
    }

    /// Goes on behind the header that begins a message, so that its payload is [stored](Self::payload_to_store) if the
    /// message can't be lent from the input. `false` if something else comes next.
    pub(crate) fn begin_cut(&mut self, input: &mut Input<'_>, max_message: u64) -> Result<bool, Failure> {
        let is_first = matches!(input.remaining().first(), Some(&(BINARY | TEXT | FIRST_BINARY | FIRST_TEXT)));
        if !STRAIGHT_PATHS || !is_first || self.is_inside_frame() {
            return Ok(false);
        }
        let Some((header, used)) = self.judge(input.remaining(), max_message)? else { return Ok(false) };
        input.take(used);
        self.begin(&header);
        Ok(true)
    }

    /// The next payload of a message that must be stored: the rest of a frame, or as much of it as was received, or a
    /// whole fragment; of text at most `BLOCK` bytes, and only if that is wanted. It is still masked. `None` says nothing.
    #[inline]
    pub(crate) fn payload_to_store<'b>(
        &mut self,
        input: &mut Input<'b>,
        max_message: u64,
        is_begun: bool,
        text: bool,
    ) -> Option<Masked<'b>> {
        match &mut self.place {
            Place::Data { kind, rsv: 0, fin, mask, remaining } if STRAIGHT_PATHS && (text || *kind == Kind::Binary) => {
                // All of it is there: it is lent.
                if !is_begun && *fin && *remaining <= input.remaining().len() as u64 {
                    return None;
                }
                let most = if *kind == Kind::Text { BLOCK } else { usize::MAX };
                let bytes = input.take(usize::try_from(*remaining).unwrap_or(usize::MAX).min(most));
                if bytes.is_empty() {
                    return None;
                }
                let (kind, key) = (*kind, mem::replace(mask, mask.at(bytes.len())));
                *remaining -= bytes.len() as u64;
                let is_whole = *remaining == 0;
                let last = is_whole && *fin;
                if is_whole {
                    self.place = Place::BETWEEN;
                }
                Some(Masked { kind, bytes, mask: R::PEER_IS_CLIENT.then_some(key), last })
            }
            Place::Header { len: 0, .. } if is_begun => {
                let message = self.message.as_mut().filter(|message| message.rsv == 0)?;
                let kind = message.kind;
                let last = match *input.remaining().first()? {
                    MORE => false,
                    LAST => true,
                    _ => return None,
                };
                if message.fragments >= self.max_fragments || !(text || kind == Kind::Binary) {
                    return None;
                }
                let limit = self.max_frame.min(max_message.saturating_sub(message.len));
                let (mask, bytes) = Self::masked_frame(input, limit)?;
                message.len += bytes.len() as u64;
                message.fragments += 1;
                if last {
                    self.message = None;
                }
                Some(Masked { kind, bytes, mask, last })
            }
            _ => None,
        }
    }

    /// The same for a Ping or Pong, in a message or not.
    #[inline]
    pub(crate) fn whole_control<'b>(&self, input: &mut Input<'b>) -> Option<(Opcode, &'b mut [u8])> {
        let opcode = match *input.remaining().first()? {
            PING => Opcode::Ping,
            PONG => Opcode::Pong,
            _ => return None,
        };
        if self.is_inside_frame() {
            return None;
        }
        Some((opcode, Self::whole_frame(input, MAX_CONTROL_PAYLOAD as u64)?))
    }

    /// The payload of a frame, if all of it is in the input, and nothing is wrong behind its first byte.
    #[inline]
    fn whole_frame<'b>(input: &mut Input<'b>, limit: u64) -> Option<&'b mut [u8]> {
        let (mask, payload) = Self::masked_frame(input, limit)?;
        if let Some(key) = mask {
            key.apply(payload);
        }
        Some(payload)
    }

    /// The same as it came, and its masking key.
    #[inline]
    fn masked_frame<'b>(input: &mut Input<'b>, limit: u64) -> Option<(Option<MaskingKey>, &'b mut [u8])> {
        if !STRAIGHT_PATHS || frame::is_masked(*input.remaining().get(1)?) != R::PEER_IS_CLIENT {
            return None;
        }
        let (len, used) = frame::payload_len(FirstByte::last(Opcode::Binary), input.remaining()).ok()??;
        if len > limit {
            return None;
        }
        let header_len = used + if R::PEER_IS_CLIENT { 4 } else { 0 };
        let frame = input.take_exactly(header_len.checked_add(usize::try_from(len).ok()?)?)?;
        let (header, payload) = frame.split_at_mut_checked(header_len)?;
        let mask = if R::PEER_IS_CLIENT { Some(MaskingKey(*header.last_chunk()?)) } else { None };
        Some((mask, payload))
    }

    /// How much payload is to come next of a message that no extension has changed.
    pub(crate) fn unchanged_remaining(&self) -> u64 {
        match self.place {
            Place::Data { kind, rsv: 0, remaining, .. } if STRAIGHT_PATHS || kind == Kind::Binary => remaining,
            _ => 0,
        }
    }

    /// Unmasks the next bytes of the open data frame, and no more than are [to come](Self::payload_remaining), and goes on behind them.
    // Where the peer doesn't mask, to look for ASCII would be a pass of its own.
    pub(crate) fn unmask_payload(&mut self, bytes: &mut [u8], ascii: bool) -> Unmasked {
        let Place::Data { kind, rsv, fin, mask, remaining } = self.place else { return Unmasked::default() };
        let look = STRAIGHT_PATHS && R::PEER_IS_CLIENT && ascii && kind == Kind::Text && rsv == 0;
        let is_ascii = if look {
            mask.apply_to_ascii(bytes)
        } else {
            Self::unmask(mask, bytes);
            false
        };
        let (mask, remaining) = (mask.at(bytes.len()), remaining.saturating_sub(bytes.len() as u64));
        self.place = if remaining > 0 { Place::Data { kind, rsv, fin, mask, remaining } } else { Place::BETWEEN };
        Unmasked { last: fin && remaining == 0, is_ascii }
    }

    /// The payload of the last control frame, if it came in more than one piece.
    pub(crate) fn control_payload(&self) -> &[u8] {
        self.control.bytes()
    }

    /// How much payload of the open data frame has not come.
    pub(crate) fn payload_remaining(&self) -> u64 {
        match self.place {
            Place::Data { remaining, .. } => remaining,
            _ => 0,
        }
    }

    /// How much of the open message may still come: all that there can be, unless its last frame has begun.
    pub(crate) fn message_remaining(&self) -> usize {
        let known = if self.message.is_none() { Some(self.payload_remaining()) } else { None };
        known.and_then(|len| usize::try_from(len).ok()).unwrap_or(usize::MAX)
    }

    /// Whether a message has begun whose last byte has not been found.
    pub(crate) fn is_inside_message(&self) -> bool {
        self.message.is_some() || matches!(self.place, Place::Data { .. })
    }

    /// Whether a frame has begun whose last byte has not been found.
    pub(crate) fn is_inside_frame(&self) -> bool {
        !matches!(self.place, Place::Header { len: 0, .. })
    }

    fn begin(&mut self, header: &Header) {
        let Header { first: FirstByte { fin, rsv, opcode }, mask, payload_len } = *header;
        let mask = mask.unwrap_or_default();
        let before = self.message.take();
        let (kind, rsv) = match (opcode, before) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => {
                self.message = before;
                self.place = Place::Control { opcode, mask, remaining: payload_len as u8 };
                return;
            }
            (Opcode::Continuation, Some(message)) => (message.kind, message.rsv),
            (Opcode::Text, _) => (Kind::Text, rsv),
            (Opcode::Continuation | Opcode::Binary, _) => (Kind::Binary, rsv),
        };
        let (len, fragments) = before.map_or((0, 0), |message| (message.len, message.fragments));
        if !fin {
            self.message =
                Some(OpenMessage { kind, rsv, len: len.saturating_add(payload_len), fragments: fragments + 1 });
        }
        self.place = Place::Data { kind, rsv, fin, mask, remaining: payload_len };
    }

    /// The next header, from the input if it is whole there, else byte by byte.
    fn next_header(&mut self, input: &mut Input<'_>, max_message: u64) -> Result<Option<Header>, Failure> {
        if input.remaining().is_empty() {
            return Ok(None);
        }
        let (mut bytes, mut len) = match self.place {
            Place::Header { bytes, len } => (bytes, len),
            _ => ([0; Header::MAX_LEN], 0),
        };
        if len == 0
            && let Some((header, used)) = self.judge(input.remaining(), max_message)?
        {
            input.take(used);
            return Ok(Some(header));
        }
        while let [byte] = input.take(1) {
            if let Some(room) = bytes.get_mut(usize::from(len)) {
                *room = *byte;
                len += 1;
            }
            let so_far = bytes.get(..usize::from(len)).unwrap_or_default();
            if let Some((header, _)) = self.judge(so_far, max_message)? {
                return Ok(Some(header));
            }
        }
        self.place = Place::Header { bytes, len };
        Ok(None)
    }

    /// Everything that a header can do wrong. Each byte is judged by all that is known before the next is looked at,
    /// so a violation is the same, and as early, however the bytes are cut.
    fn judge(&self, bytes: &[u8], max_message: u64) -> Result<Option<(Header, usize)>, Failure> {
        let Some(first) = bytes.first() else { return Ok(None) };
        let first = FirstByte::parse(*first)?;
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values" (§5.2)
        let allowed_rsv = match first.opcode {
            // "An endpoint MUST NOT set the 'Per-Message Compressed' bit of control frames and non-first fragments of a
            // data message." (RFC 7692 §6)
            Opcode::Text | Opcode::Binary => self.claimed_rsv,
            _ => 0,
        };
        if first.rsv & !allowed_rsv != 0 {
            return Err(Failure::ReservedBits(first.rsv & !allowed_rsv));
        }
        match (first.opcode, &self.message) {
            (Opcode::Continuation, None) => return Err(Failure::NothingToContinue),
            // "the fragments of one message MUST NOT be interleaved between the fragments of another" (§5.4)
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Failure::MessageInsideMessage),
            (Opcode::Continuation, Some(message)) if message.fragments >= self.max_fragments => {
                return Err(Failure::TooManyFragments { limit: self.max_fragments });
            }
            _ => {}
        }

        let Some(second) = bytes.get(1) else { return Ok(None) };
        // "The server MUST close the connection upon receiving a frame that is not masked. [...] A client MUST close a
        // connection if it detects a masked frame." (§5.1)
        match (frame::is_masked(*second), R::PEER_IS_CLIENT) {
            (false, true) => return Err(Failure::Unmasked),
            (true, false) => return Err(Failure::Masked),
            _ => {}
        }
        let Some((payload_len, used)) = frame::payload_len(first, bytes)? else { return Ok(None) };
        match first.opcode {
            Opcode::Close if payload_len == 1 => return Err(CloseError::OneByte.into()),
            Opcode::Close | Opcode::Ping | Opcode::Pong => {}
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                if payload_len > self.max_frame {
                    return Err(Failure::FrameTooLong { len: payload_len, limit: self.max_frame });
                }
                let len = payload_len.saturating_add(self.message.map_or(0, |message| message.len));
                let rsv = self.message.map_or(first.rsv, |message| message.rsv);
                if rsv == 0 && len > max_message {
                    return Err(Failure::MessageTooLong { len, limit: max_message });
                }
            }
        }
        Ok(Header::with_mask(first, payload_len, used, bytes))
    }
}
