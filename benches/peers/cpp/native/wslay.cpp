// wslay: its event API, which joins fragments, checks text and answers pings by itself. A read has at most 4096 bytes.

#include <sys/types.h>
#include <wslay/wslay.h>

#include "peer.h"

namespace {

struct Connection final : Peer {
    wslay_event_context_ptr context = nullptr;
    // The number of bytes that are left of the current read.
    std::size_t readable = 0;
    std::uint32_t random = 0x9e3779b9;

    static Connection &of(void *user) { return *static_cast<Connection *>(user); }

    static ssize_t on_read(wslay_event_context_ptr context, std::uint8_t *to, std::size_t length, int, void *user) {
        auto &self = of(user);
        const std::size_t count = self.source.read(to, length < self.readable ? length : self.readable);
        if (count == 0) {
            wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
            return -1;
        }
        self.readable -= count;
        return static_cast<ssize_t>(count);
    }

    static ssize_t on_write(wslay_event_context_ptr, const std::uint8_t *data, std::size_t length, int, void *user) {
        of(user).sink.write(data, length);
        return static_cast<ssize_t>(length);
    }

    static int on_mask(wslay_event_context_ptr, std::uint8_t *key, std::size_t length, void *user) {
        auto &random = of(user).random;
        for (std::size_t i = 0; i < length; i += 4) {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            std::memcpy(key + i, &random, length - i < 4 ? length - i : 4);
        }
        return 0;
    }

    static void on_message(wslay_event_context_ptr context, const wslay_event_on_msg_recv_arg *message, void *user) {
        if (wslay_is_ctrl_frame(message->opcode)) return;
        auto &self = of(user);
        self.application.message(message->opcode == WSLAY_TEXT_FRAME, message->msg, message->msg_length);
        if (self.source.batch.echo) self.queue(message->opcode, message->msg, message->msg_length);
    }

    explicit Connection(bool server) {
        const wslay_event_callbacks callbacks{on_read, on_write, on_mask, nullptr, nullptr, nullptr, on_message};
        const auto init = server ? wslay_event_context_server_init : wslay_event_context_client_init;
        failed = init(&context, &callbacks, this) != 0;
        if (!failed) wslay_event_config_set_max_recv_msg_length(context, MAX_MESSAGE);
    }

    ~Connection() override {
        if (context != nullptr) wslay_event_context_free(context);
    }

    void queue(std::uint8_t code, const void *data, std::size_t length) {
        const wslay_event_msg message{code, static_cast<const std::uint8_t *>(data), length};
        failed |= wslay_event_queue_msg(context, &message) != 0;
    }

    void flush() {
        if (wslay_event_want_write(context)) failed |= wslay_event_send(context) != 0;
    }

    void receive() override {
        while (source.left != 0 && !failed) {
            readable = source.batch.read;
            // If it thinks that the peer made an error, it answers with a Close and reads no more.
            failed = wslay_event_recv(context) != 0 || !wslay_event_get_read_enabled(context);
            flush();
        }
    }

    void send(const iovec *payloads, std::size_t messages, bool text, std::size_t per_flush) override {
        for (std::size_t i = 1; i <= messages; ++i) {
            const iovec &payload = payloads[i - 1];
            queue(text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, payload.iov_base, payload.iov_len);
            if (i % per_flush == 0) flush();
        }
        flush();
    }
};

} // namespace

extern "C" {

Peer *cpp_peers_wslay(bool server) { return new Connection(server); }

const char *cpp_peers_wslay_version() { return WSLAY_VERSION; }

std::size_t cpp_peers_wslay_idle() {
    struct Context {
        wslay_event_context_ptr pointer = nullptr;
        Context() = default;
        Context(Context &&other) noexcept : pointer(other.pointer) { other.pointer = nullptr; }
        ~Context() {
            if (pointer != nullptr) wslay_event_context_free(pointer);
        }
    };
    return heap_of([] {
        Context context;
        const wslay_event_callbacks callbacks{};
        wslay_event_context_server_init(&context.pointer, &callbacks, nullptr);
        return context;
    });
}
}
