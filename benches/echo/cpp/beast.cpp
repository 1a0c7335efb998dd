// Boost.Beast: its asynchronous echo example on one thread, without compression and time-outs.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;

// A plain socket, without the timer of `beast::tcp_stream`.
class Session : public std::enable_shared_from_this<Session> {
    beast::websocket::stream<tcp::socket, false> socket;
    beast::flat_buffer buffer;

  public:
    explicit Session(tcp::socket &&accepted) : socket(std::move(accepted)) {
        // A message is sent in one frame, as by all other servers.
        socket.auto_fragment(false);
    }

    void run() {
        socket.async_accept([self = shared_from_this()](beast::error_code error) {
            if (!error) self->read();
        });
    }

    void read() {
        socket.async_read(buffer, [self = shared_from_this()](beast::error_code error, std::size_t) {
            if (!error) self->write();
        });
    }

    void write() {
        socket.text(socket.got_text());
        socket.async_write(buffer.data(), [self = shared_from_this()](beast::error_code error, std::size_t) {
            if (error) return;
            self->buffer.consume(self->buffer.size());
            self->read();
        });
    }
};

static void accept(tcp::acceptor &acceptor) {
    acceptor.async_accept([&acceptor](beast::error_code error, tcp::socket socket) {
        if (!error) {
            socket.set_option(tcp::no_delay(true));
            std::make_shared<Session>(std::move(socket))->run();
        }
        accept(acceptor);
    });
}

int main(int argc, char **argv) {
    if (argc != 3 || std::strcmp(argv[1], "--port") != 0) return 2;
    // The hint saves asio its locks.
    asio::io_context context{1};
    const auto port = static_cast<unsigned short>(std::atoi(argv[2]));
    tcp::acceptor acceptor{context, {asio::ip::make_address("127.0.0.1"), port}};
    acceptor.listen(asio::socket_base::max_listen_connections);
    std::printf("listening on ws://127.0.0.1:%d/\n", int{acceptor.local_endpoint().port()});
    std::fflush(stdout);
    accept(acceptor);
    context.run();
}
