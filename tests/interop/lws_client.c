// Scenarios on libwebsockets: lws_client ws://127.0.0.1:PORT. Each connection has its own process.
#include <libwebsockets.h>
#include <linux/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define LIMIT 10 // seconds for one connection
#define MIB 1048576
#define MIXED "aß漢😀" // characters of 1, 2, 3 and 4 bytes: 10 bytes together
#define NEVER 16       // a window that nobody has
#define PIPELINE 100   // this many messages are sent without waiting for their echoes
#define REPEATS 50     // so often one answer is expected to be delivered, where libwebsockets has that fault

// Where a member is 0: the data is a text, sent once and in one frame; the connection is closed with the code 1000.
struct scenario {
    const char *name, *path, *data; // without data nothing is sent
    size_t len;                     // may be 0 for a text
    int kind, times;                // LWS_WRITE_TEXT, LWS_WRITE_BINARY or LWS_WRITE_PING; how often
    size_t fragment;                // length of the fragments
    const char *ping;               // sent between two fragments
    int code, server_code;          // of the client's Close; of the server's Close, where the server closes
    const char *protocols;
    int status;                     // of a refusal
    void (*check)(void);
    const char *modes;              // see README.md
    const char *parameter;          // offered in one connection for each number
    int lowest, highest;
    int server, client;             // the smallest window with which this side remembers the message before
};

struct traffic { long sent, received; };

static struct scenario s;
static const char *mode;
static int port, bits, received, is_pinged, is_ponged, server_code, is_done;
static char pattern[MIB], text_1mib[MIB + 1], text_10k[10001], random_text[3001];
static char extensions[200], protocol[20];
static struct traffic start, wire[2]; // bytes on the wire: before a message was sent, and of the first two messages

static void fail(const char *what, long got, long want)
{
    printf("FAILED %s: %s: got %ld, want %ld (window %d)\n", s.name, what, got, want, bits);
    exit(1);
}

static void same(const char *what, long got, long want)
{
    if (got != want)
        fail(what, got, want);
}

// Returns the kind of a message or Ping, and its bytes.
static int message(int i, const char **data, size_t *len)
{
    static char numbered[20];
    if (s.times == PIPELINE) {
        *data = numbered;
        *len = (size_t)sprintf(numbered, "message %d", i);
        return i % 2 ? LWS_WRITE_TEXT : LWS_WRITE_BINARY;
    }
    *data = s.data;
    *len = s.kind == LWS_WRITE_TEXT && !s.len ? strlen(s.data) : s.len;
    if (s.kind == LWS_WRITE_PING && s.times == 3)
        *len = (size_t[]){0, 13, 125}[i];
    return s.kind;
}

static struct traffic traffic(struct lws *wsi)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    getsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_INFO, &info, &size);
    return (struct traffic){(long)info.tcpi_bytes_sent, (long)info.tcpi_bytes_received};
}

static void put(struct lws *wsi, const char *data, size_t len, int how)
{
    static unsigned char buffer[LWS_PRE + MIB]; // lws_write masks in place
    memcpy(buffer + LWS_PRE, data, len);
    if (lws_write(wsi, buffer + LWS_PRE, len, (enum lws_write_protocol)how) < 0)
        fail("lws_write", -1, 0);
    lws_callback_on_writable(wsi);
}

static int leave(struct lws *wsi)
{
    lws_close_reason(wsi, (enum lws_close_status)(s.code ? s.code : 1000), (unsigned char *)"leaving", 7);
    return -1;
}

static int on_writable(struct lws *wsi)
{
    static int sent;
    static size_t at;
    if (received == s.times && is_ponged == !!s.ping)
        return s.server_code ? 0 : leave(wsi);
    if (sent == (s.times == REPEATS ? 1 : s.times) || (sent > received && s.times != PIPELINE))
        return 0;
    if (s.ping && at && !is_pinged) {
        is_pinged = 1;
        put(wsi, s.ping, strlen(s.ping), LWS_WRITE_PING);
        return 0;
    }
    const char *data;
    size_t len;
    int kind = message(sent, &data, &len);
    size_t end = s.fragment && at + s.fragment < len ? at + s.fragment : len;
    if (!at)
        start = traffic(wsi);
    put(wsi, data + at, end - at, lws_write_ws_flags(kind, !at, end == len));
    at = end == len ? 0 : end;
    sent += end == len;
    return 0;
}

static int on_received(struct lws *wsi, int kind, const char *in, size_t in_len)
{
    const char *data;
    size_t len;
    if (in_len == 12 && !memcmp(in, "ponged hello", 12)) // the peer servers report the pong, the Rust one need not
        return 0;
    if (received == s.times)
        fail("messages", received + 1, s.times);
    same("kind", kind, message(received, &data, &len));
    same("length", (long)in_len, (long)len);
    same("difference", memcmp(in, data, len), 0);
    struct traffic end = traffic(wsi);
    if (received < 2)
        wire[received] = (struct traffic){end.sent - start.sent, end.received - start.received};
    received++;
    lws_callback_on_writable(wsi);
    return received == REPEATS && s.times == REPEATS ? leave(wsi) : 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *data, size_t len)
{
    static char in[2 * MIB];
    static size_t in_len;
    char refused[4] = "";
    const unsigned char *code = data;
    (void)user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
        lws_hdr_copy(wsi, extensions, sizeof extensions, WSI_TOKEN_EXTENSIONS);
        lws_hdr_copy(wsi, protocol, sizeof protocol, WSI_TOKEN_PROTOCOL);
        break;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        same("status", 101, s.status ? s.status : 101);
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writable(wsi);
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (in_len + len > sizeof in)
            fail("length", (long)(in_len + len), sizeof in);
        memcpy(in + in_len, data, len);
        in_len += len;
        if (!lws_is_final_fragment(wsi))
            break;
        len = in_len;
        in_len = 0;
        return on_received(wsi, lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT, in, len);
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        if (s.kind == LWS_WRITE_PING)
            return on_received(wsi, LWS_WRITE_PING, data, len);
        same("ponged before", is_ponged, 0);
        same("pong", s.ping && len == strlen(s.ping) && !memcmp(data, s.ping, len), 1);
        is_ponged = 1;
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        server_code = len < 2 ? 1005 : code[0] << 8 | code[1];
        same("reason", len == 9 && !memcmp(code + 2, "goodbye", 7), 1);
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        same("refused with", (long)lws_http_client_http_response(wsi), s.status);
        lws_hdr_custom_copy(wsi, refused, sizeof refused, "x-refused:", 10);
        same("header", strcmp(refused, "yes"), 0);
        is_done = 1;
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        same("messages", received, s.times);
        same("code of the server", server_code, s.server_code);
        is_done = 1;
        break;
    default:
        break;
    }
    return 0;
}

static void check_protocol(void)
{
    same("subprotocol", strcmp(protocol, s.protocols ? "chat.v2" : ""), 0);
}

static void check_extensions(void)
{
    const char *limits[] = {"server_no_context_takeover", "client_no_context_takeover",
                            "server_max_window_bits=9", "client_max_window_bits=9"};
    same("permessage-deflate", !!strstr(extensions, "permessage-deflate"), !!strcmp(mode, "plain"));
    for (int i = 0; i < 4; i++)
        same(limits[i], !!strstr(extensions, limits[i]), !strcmp(mode, "limits"));
}

static void check_compressed(void)
{
    same("sent: compressed", wire[0].sent < MIB / 10, !!strcmp(mode, "plain"));
    same("received: compressed", wire[0].received < MIB / 10, !!strcmp(mode, "plain"));
}

static void check_remembered(void)
{
    int is_deflate = !strcmp(mode, "deflate");
    same("sent: remembered", wire[1].sent < 300, is_deflate && bits >= s.client);
    same("received: remembered", wire[1].received < 300, is_deflate && bits >= s.server);
}

#define BINARY(n) {"binary-" #n, "/", pattern, n, LWS_WRITE_BINARY}
#define ASK .path = "/", .data = random_text, .times = 2, .check = check_remembered
static const struct scenario scenarios[] = {
    {"text-ascii", "/", "hello"},
    {"text-multibyte", "/", "Grüße, 漢字"},
    {"text-emoji", "/", "😀👩‍👩‍👧🇺🇳"},
    {"text-empty", "/", ""},
    {"text-1MiB", "/", text_1mib},
    BINARY(0), BINARY(1), BINARY(125), BINARY(126), BINARY(65535), BINARY(65536),
    {"binary-1MiB", "/", pattern, MIB, LWS_WRITE_BINARY},
    {"send-fragmented-text", "/", text_10k, .fragment = 997},
    {"send-fragmented-binary", "/", pattern, 10000, LWS_WRITE_BINARY, .fragment = 997},
    {"receive-fragmented-text", "/fragment/1000", text_10k},
    {"receive-fragmented-binary", "/fragment/1000", pattern, 10000, LWS_WRITE_BINARY},
    {"ping-from-client", "/", pattern, 0, LWS_WRITE_PING, 3, .modes = "plain"},
    {"ping-from-server", "/ping/hello", "still here", .times = 2},
    {"ping-between-fragments", "/", "one two", .fragment = 4, .ping = "between", .modes = "plain"},
    {"subprotocol-first", "/", .protocols = "chat.v2,chat.v1", .check = check_protocol},
    {"subprotocol-none", "/", .check = check_protocol},
    {"extensions", "/", .check = check_extensions},
    {"compressed", "/", text_1mib, .check = check_compressed},
    {"remembered", ASK},
    {"close-by-client", "/", .code = 3001},
    {"close-by-server", "/close/4000/goodbye", .server_code = 4000},
    {"close-1000", "/"},
    {"refuse-403", "/status/403", .status = 403},
    {"pipeline-100", "/", "", .times = PIPELINE},
    {"server-no-takeover", ASK, .parameter = "server_no_context_takeover", .server = NEVER},
    {"client-no-takeover", ASK, .parameter = "client_no_context_takeover", .client = NEVER},
    // 2^11 bytes are too few to reach the message before.
    {"server-window", ASK, .parameter = "server_max_window_bits", .lowest = 9, .highest = 14, .server = 12},
    {"server-window-8", ASK, .parameter = "server_max_window_bits", .lowest = 8, .highest = 8, .server = 12},
    {"client-window", ASK, .parameter = "client_max_window_bits", .lowest = 9, .highest = 14, .client = 12},
    {"client-window-8", ASK, .parameter = "client_max_window_bits", .lowest = 8, .highest = 8, .client = 12},
    // Known faults of libwebsockets: one ping or one message is sent.
    {"pong-repeats", "/", pattern, 10, LWS_WRITE_PING, REPEATS, .modes = "deflate limits"},
    {"uncompressed-repeats", "/", "hello", .times = REPEATS, .modes = "uncompressed"},
};

static void run(void)
{
    char parameter[40] = "client_max_window_bits", offer[80];
    if (s.parameter)
        sprintf(parameter, s.lowest ? "%s=%d" : "%s", s.parameter, bits);
    sprintf(offer, "permessage-deflate; %s", parameter);
    const struct lws_extension deflate[] = {{"permessage-deflate", lws_extension_callback_pm_deflate, offer}, {0}};
    const struct lws_protocols protocols[] = {{.name = "scenario", .callback = on_event},
                                              {.name = "chat.v2", .callback = on_event}, {0}};
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN, .protocols = protocols};
    if (strcmp(mode, "plain"))
        info.extensions = deflate;
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    struct lws_client_connect_info to = {.context = context, .address = "127.0.0.1", .host = "127.0.0.1", .port = port,
                                         .path = s.path, .protocol = s.protocols, .local_protocol_name = "scenario"};
    if (!context || !lws_client_connect_via_info(&to))
        fail("connected", 0, 1);
    while (!is_done)
        lws_service(context, 0);
    if (s.parameter)
        same(parameter, !!strstr(extensions, parameter), 1);
    if (s.check)
        s.check();
}

int main(int argc, char **argv)
{
    int failed = 0;
    setlinebuf(stdout); // or a fork would print it again
    mode = getenv("INTEROP_MODE") ? getenv("INTEROP_MODE") : "plain"; // set by `run`: see README.md
    char skip[1000], word[40]; // offers that the server can't accept
    snprintf(skip, sizeof skip, " %s ", getenv("INTEROP_SKIP") ? getenv("INTEROP_SKIP") : "");
    port = atoi(strrchr(argv[argc - 1], ':') + 1);
    for (int i = 0; i < MIB; i++) {
        pattern[i] = (char)(i % 251);
        text_1mib[i] = i < MIB / 10 * 10 ? MIXED[i % 10] : 'a';
    }
    // Byte 1000 is inside a character.
    for (int i = 0; i < 10000; i++)
        text_10k[i] = i < 2 ? "ß"[i] : i < 9992 ? MIXED[(i - 2) % 10] : "12345678"[i - 9992];
    for (int i = 0; i < 3000; i++)
        random_text[i] = "0123456789abcdef"[rand() / 7 % 16];
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        s = scenarios[i];
        sprintf(word, " %s ", s.name);
        if (strstr(skip, word) || !strstr(s.modes ? s.modes : s.parameter ? "deflate" : "plain deflate limits", mode))
            continue;
        if (s.data && !s.times)
            s.times = 1;
        int status = 0;
        for (bits = s.lowest ? s.lowest : 15; !status && bits <= (s.lowest ? s.highest : 15); bits++) {
            if (!fork()) {
                alarm(LIMIT);
                run();
                exit(0);
            }
            wait(&status);
        }
        if (WIFSIGNALED(status))
            printf("FAILED %s: signal %d (%d after %d s)\n", s.name, WTERMSIG(status), SIGALRM, LIMIT);
        else if (!status)
            printf("ok %s\n", s.name);
        failed |= status;
    }
    return !!failed;
}
