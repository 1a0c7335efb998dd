// The part of the C ABI that is the same for all peers.

#include "peer.h"

extern "C" {

void cpp_peers_free(Peer *peer) { delete peer; }

bool cpp_peers_receive(Peer *peer, const Batch *batch, Seen *seen) {
    peer->source.start(*batch);
    peer->application.start(batch->hash);
    peer->sink.written = 0;
    if (!peer->failed) peer->receive();
    *seen = peer->application.seen;
    seen->written = peer->sink.written;
    return !peer->failed;
}

bool cpp_peers_send(Peer *peer, const iovec *payloads, std::size_t messages, bool text, std::size_t per_flush,
                    std::uint64_t *written) {
    peer->sink.written = 0;
    if (!peer->failed) peer->send(payloads, messages, text, per_flush == 0 ? 1 : per_flush);
    *written = peer->sink.written;
    return !peer->failed;
}

void cpp_peers_keep(Peer *peer, bool keep) {
    peer->sink.keep = keep;
    peer->sink.kept.clear();
}

const std::uint8_t *cpp_peers_kept(const Peer *peer, std::size_t *length) {
    *length = peer->sink.kept.size();
    return peer->sink.kept.data();
}
}
