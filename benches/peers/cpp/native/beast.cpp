// Boost.Beast: its stream over memory, synchronous, in default configuration, except that a message is one frame. It
// decides by itself how much to read at once: into its own 1536 bytes, or directly to where a long message is stored.

#include <boost/asio/io_context.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/version.hpp>

#include "peer.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

namespace cpp_peers {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using beast::error_code;

// Needed for the timers, although none is started.
asio::io_context &context() {
    static asio::io_context context{1};
    return context;
}

// `handshake` of a client blocks until it has read its response, so the response is made meanwhile.
std::string respond(const std::vector<std::uint8_t> &request);

class Memory {
    Source *source;
    Sink *sink;
    std::string response;

  public:
    using executor_type = asio::io_context::executor_type;
    bool shaking_hands = false;

    Memory(Source &source, Sink &sink) : source(&source), sink(&sink) {}

    executor_type get_executor() { return context().get_executor(); }

    template <typename Buffers> std::size_t read_some(const Buffers &buffers, error_code &error) {
        if (shaking_hands) [[unlikely]] {
            if (response.empty()) response = respond(sink->kept);
            const std::size_t count = asio::buffer_copy(buffers, asio::buffer(response));
            response.erase(0, count);
            error = count == 0 ? asio::error::make_error_code(asio::error::eof) : error_code{};
            return count;
        }
        std::size_t count = 0;
        for (asio::mutable_buffer buffer : beast::buffers_range_ref(buffers)) {
            count += source->read(buffer.data(), std::min(buffer.size(), source->batch.read - count));
        }
        error = count == 0 ? asio::error::make_error_code(asio::error::eof) : error_code{};
        return count;
    }

    template <typename Buffers> std::size_t write_some(const Buffers &buffers, error_code &error) {
        std::size_t count = 0;
        for (asio::const_buffer buffer : beast::buffers_range_ref(buffers)) {
            sink->write(buffer.data(), buffer.size());
            count += buffer.size();
        }
        error = {};
        return count;
    }

    template <typename Buffers> std::size_t read_some(const Buffers &buffers) {
        error_code error;
        const std::size_t count = read_some(buffers, error);
        if (error) throw beast::system_error{error};
        return count;
    }

    template <typename Buffers> std::size_t write_some(const Buffers &buffers) {
        error_code error;
        return write_some(buffers, error);
    }
};

// There is no transport to shut down.
void teardown(beast::role_type, Memory &, error_code &error) { error = {}; }

using Stream = websocket::stream<Memory>;

constexpr std::string_view REQUEST = "GET / HTTP/1.1\r\n"
                                     "Host: localhost\r\n"
                                     "Upgrade: websocket\r\n"
                                     "Connection: Upgrade\r\n"
                                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                     "Sec-WebSocket-Version: 13\r\n"
                                     "\r\n";

Batch once(const void *data, std::size_t length) {
    return {static_cast<const std::uint8_t *>(data), length, 0, length, 0, length, false, false};
}

std::string respond(const std::vector<std::uint8_t> &request) {
    Source source;
    Sink sink;
    source.start(once(request.data(), request.size()));
    sink.keep = true;
    Stream stream{source, sink};
    error_code error;
    stream.accept(error);
    return {sink.kept.begin(), sink.kept.end()};
}

struct Connection final : Peer {
    Stream stream{source, sink};
    beast::flat_buffer buffer;

    explicit Connection(bool server) {
        error_code error;
        if (server) {
            source.start(once(REQUEST.data(), REQUEST.size()));
            stream.accept(error);
        } else {
            sink.keep = true;
            stream.next_layer().shaking_hands = true;
            stream.handshake("localhost", "/", error);
            stream.next_layer().shaking_hands = false;
            sink = {};
        }
        failed = static_cast<bool>(error);
        stream.auto_fragment(false);
        stream.read_message_max(MAX_MESSAGE);
    }

    void write(bool text, asio::const_buffer data) {
        error_code error;
        stream.text(text);
        stream.write(data, error);
        if (error) failed = true;
    }

    void receive() override {
        for (std::size_t i = 0; i < source.batch.messages && !failed; ++i) {
            error_code error;
            stream.read(buffer, error);
            if (error) {
                failed = true;
                return;
            }
            application.message(stream.got_text(), buffer.data().data(), buffer.size());
            if (source.batch.echo) write(stream.got_text(), buffer.data());
            buffer.consume(buffer.size());
        }
    }

    // It has no buffering: each message is a write.
    void send(const iovec *payloads, std::size_t messages, bool text, std::size_t) override {
        for (std::size_t i = 0; i < messages && !failed; ++i) write(text, {payloads[i].iov_base, payloads[i].iov_len});
    }
};

} // namespace cpp_peers

extern "C" {

Peer *cpp_peers_beast(bool server) { return new cpp_peers::Connection(server); }

const char *cpp_peers_beast_version() { return BOOST_LIB_VERSION; }

std::size_t cpp_peers_beast_idle() {
    using namespace cpp_peers;
    // The connections hold pointers to these.
    Source source;
    Sink sink;
    return heap_of([&] {
        source.start(once(REQUEST.data(), REQUEST.size()));
        auto stream = std::make_unique<Stream>(source, sink);
        error_code error;
        stream->accept(error);
        return stream;
    });
}

// The handshake of a server. Writes the response to `out` and returns its length, or 0 if something is wrong.
std::size_t cpp_peers_beast_handshake(const std::uint8_t *request, std::size_t length, std::uint8_t *out,
                                      std::size_t capacity) {
    using namespace cpp_peers;
    Source source;
    Sink sink;
    source.start(once(request, length));
    sink.keep = true;
    Stream stream{source, sink};
    error_code error;
    stream.accept(error);
    if (error || sink.kept.size() > capacity) return 0;
    std::memcpy(out, sink.kept.data(), sink.kept.size());
    return sink.kept.size();
}
}
