// uWebSockets without its sockets: its parser and its serializer. This file does what its `WebSocketContext` and
// `WebSocket` do between them and the application. Those two need a loop, and are for servers only.

#include <WebSocketData.h>
#include <WebSocketProtocol.h>
#include <internal/internal.h>

#include "peer.h"

#include <memory>
#include <string>

namespace {

using uWS::OpCode;

constexpr std::size_t CORK_BUFFER = 16 << 10;
// Messages of this length and more are not copied, but written after their headers.
constexpr std::size_t LONG_MESSAGE = 16 << 10;
constexpr std::size_t PADDING = LIBUS_RECV_BUFFER_PADDING;

template <bool SERVER> struct Connection final : Peer {
    using State = uWS::WebSocketState<SERVER>;

    State state;
    // The received part of a message, then the received part of a control frame.
    std::string fragments;
    std::size_t control_length = 0;

    // The receive buffer, which belongs to the loop in uWebSockets.
    std::unique_ptr<char[]> receive_buffer;
    std::size_t receive_length = 0;
    std::unique_ptr<char[]> cork{new char[CORK_BUFFER]};
    std::size_t corked = 0;
    std::string overflow;

    // The functions that the parser calls.
    struct Callbacks {
        static bool setCompressed(State *, void *) { return false; }
        static bool refusePayloadLength(std::uint64_t length, State *, void *) { return length > MAX_MESSAGE; }
        static void forceClose(State *, void *user, std::string_view = {}) {
            static_cast<Connection *>(user)->failed = true;
        }

        static bool handleFragment(char *data, std::size_t length, unsigned remaining, int code, bool fin, State *,
                                   void *user) {
            auto &connection = *static_cast<Connection *>(user);
            const bool whole = remaining == 0 && fin;
            if (code > OpCode::BINARY) return connection.control(data, length, code, whole);
            return connection.data(data, length, remaining, code, whole);
        }
    };

    // These two return whether the parser must stop.
    bool data(char *data, std::size_t length, std::size_t remaining, int code, bool whole) {
        if (!whole || !fragments.empty()) {
            if (fragments.empty()) fragments.reserve(length + remaining);
            if (fragments.size() + length > MAX_MESSAGE) return failed = true;
            fragments.append(data, length);
            if (!whole) return false;
            data = fragments.data();
            length = fragments.size();
        }
        const bool text = code == OpCode::TEXT;
        if (text && !uWS::protocol::isValidUtf8(reinterpret_cast<unsigned char *>(data), length)) return failed = true;
        application.message(text, data, length);
        if (source.batch.echo) transmit(data, length, static_cast<OpCode>(code));
        fragments.clear();
        return false;
    }

    bool control(char *data, std::size_t length, int code, bool whole) {
        if (!whole || control_length != 0) {
            fragments.append(data, length);
            control_length += length;
            if (!whole) return false;
            data = fragments.data() + fragments.size() - control_length;
            length = control_length;
        }
        if (code == OpCode::CLOSE) return failed = true;
        if (code == OpCode::PING) transmit(data, length, OpCode::PONG);
        fragments.resize(fragments.size() - control_length);
        control_length = 0;
        return false;
    }

    // The socket is corked: a frame that fits into the buffer waits there.
    void transmit(const char *data, std::size_t length, OpCode code) {
        if (SERVER && length >= LONG_MESSAGE && corked == 0) {
            char head[10];
            sink.write(head, uWS::protocol::formatMessage<true>(head, nullptr, 0, code, length, false, true));
            sink.write(data, length);
            return;
        }
        const std::size_t size = uWS::protocol::messageFrameSize(length) + (SERVER ? 0 : 4);
        if (corked + size < CORK_BUFFER) {
            uWS::protocol::formatMessage<SERVER>(cork.get() + corked, data, length, code, length, false, true);
            corked += size;
            return;
        }
        overflow.resize(corked + size);
        std::memcpy(overflow.data(), cork.get(), corked);
        uWS::protocol::formatMessage<SERVER>(overflow.data() + corked, data, length, code, length, false, true);
        corked = 0;
        sink.write(overflow.data(), overflow.size());
        overflow.clear();
    }

    void uncork() {
        if (corked == 0) return;
        sink.write(cork.get(), corked);
        corked = 0;
    }

    void receive() override {
        if (receive_length < source.batch.read) {
            receive_length = source.batch.read;
            receive_buffer.reset(new char[receive_length + 2 * PADDING]);
        }
        char *const start = receive_buffer.get() + PADDING;
        while (source.left != 0 && !failed) {
            const std::size_t length = source.read(start, source.batch.read);
            uWS::WebSocketProtocol<SERVER, Callbacks>::consume(start, static_cast<unsigned>(length), &state, this);
            uncork();
        }
    }

    void send(const iovec *payloads, std::size_t messages, bool text, std::size_t per_flush) override {
        for (std::size_t i = 1; i <= messages; ++i) {
            const iovec &payload = payloads[i - 1];
            transmit(static_cast<const char *>(payload.iov_base), payload.iov_len, text ? OpCode::TEXT : OpCode::BINARY);
            if (i % per_flush == 0) uncork();
        }
        uncork();
    }
};

} // namespace

extern "C" {

Peer *cpp_peers_uwebsockets(bool server) {
    if (server) return new Connection<true>;
    return new Connection<false>;
}

// A socket of uSockets contains the state of a WebSocket. A connection has nothing else.
std::size_t cpp_peers_uwebsockets_idle() { return sizeof(us_socket_t) + sizeof(uWS::WebSocketData); }
}
