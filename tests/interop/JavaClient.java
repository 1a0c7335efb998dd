// Scenarios on java.net.http.WebSocket: JavaClient ws://127.0.0.1:PORT

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

class JavaClient {
    static final int LIMIT = 10; // seconds for one wait
    static final int MIB = 1024 * 1024;

    static final String MIXED = "aß漢😀"; // characters of 1, 2, 3 and 4 bytes: 10 bytes together
    static final String TEXT_10K = "ß" + MIXED.repeat(999) + "12345678"; // byte 1000 is inside a character
    static final String TEXT_1MIB = MIXED.repeat(MIB / 10) + "a".repeat(MIB % 10);

    // No proxy from the system properties.
    static final HttpClient HTTP = HttpClient.newBuilder().proxy(HttpClient.Builder.NO_PROXY).build();
    static String base;

    static ByteBuffer pattern(int size) {
        byte[] bytes = new byte[size];
        for (int i = 0; i < size; i++) bytes[i] = (byte) (i % 251);
        return ByteBuffer.wrap(bytes);
    }

    static void same(String what, Object got, Object want) {
        if (!Objects.equals(got, want)) {
            throw new AssertionError(what + ": got " + brief(got) + ", want " + brief(want));
        }
    }

    static String brief(Object value) {
        if (value instanceof ByteBuffer bytes) {
            byte[] start = Arrays.copyOf(bytes.array(), Math.min(20, bytes.limit()));
            return bytes.limit() + " bytes " + HexFormat.of().formatHex(start);
        }
        String s = String.valueOf(value).replace("\n", "\\n");
        return s.length() < 100 ? s : s.substring(0, 60) + "... (" + s.length() + " long)";
    }

    static <T> T await(CompletableFuture<T> future) throws Exception {
        return future.get(LIMIT, TimeUnit.SECONDS);
    }

    record Close(int code, String reason) {}

    /** One connection: collects all events of the listener. */
    static class Connection implements WebSocket.Listener {
        final BlockingQueue<Object> messages = new LinkedBlockingQueue<>(); // String, ByteBuffer or Throwable
        final BlockingQueue<ByteBuffer> pings = new LinkedBlockingQueue<>();
        final BlockingQueue<ByteBuffer> pongs = new LinkedBlockingQueue<>();
        final CompletableFuture<Close> closed = new CompletableFuture<>();
        volatile int parts; // in how many pieces the last message came
        final WebSocket ws;

        private final StringBuilder text = new StringBuilder();
        private final ByteArrayOutputStream binary = new ByteArrayOutputStream();
        private int counted;

        Connection(String path, String... protocols) throws Exception {
            var builder = HTTP.newWebSocketBuilder();
            if (protocols.length > 0) {
                builder.subprotocols(protocols[0], Arrays.copyOfRange(protocols, 1, protocols.length));
            }
            ws = await(builder.buildAsync(URI.create(base + path), this));
        }

        void message(WebSocket from, boolean last, Object whole) {
            counted++;
            if (last) {
                parts = counted;
                counted = 0;
                messages.add(whole);
            }
            from.request(1);
        }

        @Override
        public CompletionStage<?> onText(WebSocket from, CharSequence data, boolean last) {
            text.append(data);
            String whole = last ? text.toString() : null;
            if (last) text.setLength(0);
            message(from, last, whole);
            return null;
        }

        @Override
        public CompletionStage<?> onBinary(WebSocket from, ByteBuffer data, boolean last) {
            byte[] bytes = copy(data).array();
            binary.write(bytes, 0, bytes.length);
            ByteBuffer whole = last ? ByteBuffer.wrap(binary.toByteArray()) : null;
            if (last) binary.reset();
            message(from, last, whole);
            return null;
        }

        @Override
        public CompletionStage<?> onPing(WebSocket from, ByteBuffer data) {
            pings.add(copy(data));
            from.request(1);
            return null;
        }

        @Override
        public CompletionStage<?> onPong(WebSocket from, ByteBuffer data) {
            pongs.add(copy(data));
            from.request(1);
            return null;
        }

        @Override
        public CompletionStage<?> onClose(WebSocket from, int code, String reason) {
            messages.add(new IllegalStateException("closed: " + code + " " + reason));
            closed.complete(new Close(code, reason));
            return null;
        }

        @Override
        public void onError(WebSocket from, Throwable error) {
            messages.add(error);
            closed.completeExceptionally(error);
        }

        static ByteBuffer copy(ByteBuffer data) {
            byte[] bytes = new byte[data.remaining()];
            data.get(bytes);
            return ByteBuffer.wrap(bytes);
        }

        /** Java allows one send at a time, so wait for each. */
        void send(Object message, boolean last) throws Exception {
            if (message instanceof String s) await(ws.sendText(s, last));
            else await(ws.sendBinary(((ByteBuffer) message).duplicate(), last));
        }

        <T> T next(BlockingQueue<T> queue) throws Exception {
            T got = queue.poll(LIMIT, TimeUnit.SECONDS);
            if (got == null) throw new AssertionError("nothing for " + LIMIT + " s");
            if (got instanceof Throwable error) throw new AssertionError(error.toString());
            return got;
        }

        Close leave(int code, String reason) throws Exception {
            await(ws.sendClose(code, reason));
            return await(closed);
        }
    }

    interface Scenario {
        void run(Connection connection) throws Exception;
    }

    interface Run {
        void run() throws Exception;
    }

    static final Map<String, Run> SCENARIOS = new LinkedHashMap<>();

    /** A scenario on an open connection, closed cleanly after it. */
    static void scenario(String name, String path, Scenario scenario, String... protocols) {
        SCENARIOS.put(name, () -> {
            var connection = new Connection(path, protocols);
            try {
                scenario.run(connection);
                same("close code", connection.leave(1000, "").code, 1000);
            } finally {
                connection.ws.abort();
            }
        });
    }

    static void echo(String name, Object message) {
        scenario(name, "/", c -> {
            c.send(message, true);
            same("echo", c.next(c.messages), message);
        });
    }

    static void receiveFragmented(String name, Object message) {
        scenario(name, "/fragment/1000", c -> {
            c.send(message, true);
            same("echo", c.next(c.messages), message);
            // Java may split a fragment further, but never joins two.
            if (c.parts < 10) throw new AssertionError("only " + c.parts + " parts");
        });
    }

    static void sendFragmented(String name, List<Object> parts, Object whole) {
        scenario(name, "/", c -> {
            for (int i = 0; i < parts.size(); i++) c.send(parts.get(i), i == parts.size() - 1);
            same("echo", c.next(c.messages), whole);
        });
    }

    static void define() {
        echo("text-ascii", "hello");
        echo("text-multibyte", "Grüße, 漢字");
        echo("text-emoji", "😀👩‍👩‍👧🇺🇳");
        echo("text-empty", "");
        echo("text-1MiB", TEXT_1MIB);
        for (int size : new int[] {0, 1, 125, 126, 65535, 65536}) echo("binary-" + size, pattern(size));
        echo("binary-1MiB", pattern(MIB));

        // A text piece must have whole characters.
        List<Object> texts = new ArrayList<>(List.of("ß"));
        List<Object> binaries = new ArrayList<>();
        for (int i = 0; i < 9; i++) texts.add(MIXED.repeat(111));
        texts.add("12345678");
        for (int i = 0; i < 10; i++) binaries.add(pattern(10_000).slice(i * 1000, 1000));
        sendFragmented("send-fragmented-text", texts, TEXT_10K);
        sendFragmented("send-fragmented-binary", binaries, pattern(10_000));
        receiveFragmented("receive-fragmented-text", TEXT_10K);
        receiveFragmented("receive-fragmented-binary", pattern(10_000));

        scenario("ping-from-client", "/", c -> {
            for (ByteBuffer payload : List.of(pattern(0), pattern(13), pattern(125))) {
                await(c.ws.sendPing(payload.duplicate()));
                same("pong", c.next(c.pongs), payload);
            }
        });
        scenario("ping-from-server", "/ping/hello", c -> {
            // The second is certainly sent after the Pong.
            for (String sent : List.of("still here", "and here")) {
                c.send(sent, true);
                Object message;
                // The server reports the Pong.
                do message = c.next(c.messages); while (message.equals("ponged hello"));
                same("echo", message, sent);
            }
            same("ping", c.next(c.pings), ByteBuffer.wrap("hello".getBytes()));
        });
        scenario("ping-between-fragments", "/", c -> {
            c.send("one ", false);
            await(c.ws.sendPing(pattern(13)));
            c.send("two", true);
            same("pong", c.next(c.pongs), pattern(13));
            same("echo", c.next(c.messages), "one two");
        });

        scenario("subprotocol-first", "/", c -> same("subprotocol", c.ws.getSubprotocol(), "chat.v2"),
            "chat.v2", "chat.v1");
        scenario("subprotocol-none", "/", c -> same("subprotocol", c.ws.getSubprotocol(), ""));
        scenario("pipeline-100", "/", c -> {
            List<Object> messages = new ArrayList<>(); // texts and binaries in turn
            for (int i = 0; i < 100; i++) messages.add(i % 2 == 0 ? "message " + i : pattern(i));
            for (Object message : messages) c.send(message, true);
            for (Object message : messages) same("echo", c.next(c.messages), message);
        });

        SCENARIOS.put("close-by-client", () -> same("close code", new Connection("/").leave(3001, "leaving").code, 3001));
        SCENARIOS.put("close-by-server", () ->
            same("close", await(new Connection("/close/4000/goodbye").closed), new Close(4000, "goodbye")));
        SCENARIOS.put("close-1000", () -> {
            var c = new Connection("/");
            same("close code", c.leave(1000, "").code, 1000);
            same("both sides closed", c.ws.isInputClosed() && c.ws.isOutputClosed(), true);
        });
        SCENARIOS.put("refuse-403", () -> {
            try {
                new Connection("/status/403");
                throw new AssertionError("was accepted");
            } catch (ExecutionException failure) {
                if (!(failure.getCause() instanceof WebSocketHandshakeException refusal)) throw failure;
                HttpResponse<?> response = refusal.getResponse();
                same("status", response.statusCode(), 403);
                same("header", response.headers().firstValue("X-Refused").orElse(null), "yes");
                same("body", response.body(), "refused with 403\n");
            }
        });
    }

    public static void main(String[] args) {
        base = args[0].replaceAll("/$", "");
        define();
        boolean failed = false;
        for (var scenario : SCENARIOS.entrySet()) {
            try {
                scenario.getValue().run();
                System.out.println("ok " + scenario.getKey());
            } catch (Throwable error) {
                failed = true;
                System.out.println("FAILED " + scenario.getKey() + ": " + error);
            }
        }
        System.exit(failed ? 1 : 0);
    }
}
