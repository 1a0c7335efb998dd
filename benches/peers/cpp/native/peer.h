// The parts that all shims share: the source of the bytes, the sink for them, and the application.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <sys/uio.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

// All of them refuse longer messages.
constexpr std::size_t MAX_MESSAGE = 16 << 20;

struct Seen {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::uint64_t hash = 0;
    std::uint64_t written = 0;
};

struct Batch {
    // Whole frames, which are read again and again.
    const std::uint8_t *loop;
    std::size_t length;
    std::size_t offset;
    // The number of bytes from the offset on that the messages of this batch have.
    std::size_t total;
    std::size_t messages;
    // The most bytes that one read brings.
    std::size_t read;
    bool echo;
    bool hash;
};

// Takes the place of the kernel when a peer receives.
struct Source {
    Batch batch{};
    std::size_t left = 0;

    void start(const Batch &next) {
        batch = next;
        left = next.total;
    }

    std::size_t read(void *to, std::size_t most) {
        std::size_t count = left < most ? left : most;
        left -= count;
        auto *target = static_cast<std::uint8_t *>(to);
        for (std::size_t rest = count; rest != 0;) {
            const std::size_t behind = batch.length - batch.offset;
            const std::size_t part = rest < behind ? rest : behind;
            std::memcpy(target, batch.loop + batch.offset, part);
            target += part;
            rest -= part;
            batch.offset = part == behind ? 0 : batch.offset + part;
        }
        return count;
    }
};

// Takes the place of the kernel when a peer sends. It counts the bytes, and keeps them if a test needs them.
struct Sink {
    std::uint64_t written = 0;
    bool keep = false;
    std::vector<std::uint8_t> kept;

    void write(const void *data, std::size_t length) {
        written += length;
        if (keep) [[unlikely]] {
            const auto *bytes = static_cast<const std::uint8_t *>(data);
            kept.insert(kept.end(), bytes, bytes + length);
        }
    }
};

// The application. It counts messages, and hashes them (FNV-1a) if it is asked to.
struct Application {
    Seen seen;
    bool hash = false;

    void start(bool hashes) {
        seen = {};
        hash = hashes;
        if (hash) seen.hash = 0xcbf29ce484222325;
    }

    void message(bool text, const void *data, std::size_t length) {
        seen.messages += 1;
        seen.bytes += length;
        if (hash) [[unlikely]] {
            const auto *bytes = static_cast<const std::uint8_t *>(data);
            add(text ? 1 : 2);
            for (std::size_t i = 0; i < length; ++i) add(bytes[i]);
        }
    }

  private:
    void add(std::uint8_t byte) { seen.hash = (seen.hash ^ byte) * 0x100000001b3; }
};

// One end of a connection.
struct Peer {
    Source source;
    Sink sink;
    Application application;
    bool failed = false;

    virtual ~Peer() = default;
    // Returns when all messages of the batch were received, or something went wrong.
    virtual void receive() = 0;
    virtual void send(const iovec *payloads, std::size_t messages, bool text, std::size_t per_flush) = 0;
};

// The bytes on the heap of each object that `make` makes; 0 where the C library doesn't tell.
template <typename Make> std::size_t heap_of(Make make) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    constexpr std::size_t COUNT = 256;
    std::vector<decltype(make())> all;
    all.reserve(COUNT);
    // The first object may allocate memory that all share, so it is not counted.
    all.push_back(make());
    const std::size_t before = mallinfo2().uordblks;
    while (all.size() < COUNT) all.push_back(make());
    return (mallinfo2().uordblks - before) / (COUNT - 1);
#else
    (void)make;
    return 0;
#endif
}
