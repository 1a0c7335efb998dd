// uWebSockets: its echo example, without TLS, compression and time-outs.

#include "App.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

struct Nothing {};

int main(int argc, char **argv) {
    if (argc != 3 || std::strcmp(argv[1], "--port") != 0) return 2;
    uWS::App::WebSocketBehavior<Nothing> behavior;
    behavior.compression = uWS::DISABLED;
    behavior.maxPayloadLength = 16 << 20;
    behavior.maxBackpressure = 16 << 20;
    behavior.idleTimeout = 0;
    behavior.sendPingsAutomatically = false;
    behavior.message = [](auto *socket, std::string_view message, uWS::OpCode opcode) { socket->send(message, opcode); };
    uWS::App().ws<Nothing>("/*", std::move(behavior)).listen("127.0.0.1", std::atoi(argv[2]), [](auto *socket) {
        if (socket == nullptr) std::exit(1);
        const int port = us_socket_local_port(0, reinterpret_cast<us_socket_t *>(socket));
        std::printf("listening on ws://127.0.0.1:%d/\n", port);
        std::fflush(stdout);
    }).run();
}
