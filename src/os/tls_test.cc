// Links and calls with certificates, on loopback.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>

#include "os/certificates.h"
#include "os/clock.h"
#include "os/testing.h"
#include "os/tls_context.h"

namespace magpie::os {
namespace {

constexpr port::ConnectionId kLink{port::kOwnConnectionBit | 1};
constexpr int64_t kHour = 3'600'000;

// Authorities and certificates in a folder, made as they are asked for.
class Keys {
 public:
  Keys() : authority_(*make_authority(request("authority", kHour))) {
    store("authority", authority_);
  }

  // Files of a node; valid for `millis` from now, or expired that long ago if negative.
  TlsConfig node(const std::string& name, int64_t millis = 1000 * kHour,
                 const std::vector<std::string>& hosts = {"localhost", "127.0.0.1"}) {
    return node_of(authority_, name, millis, hosts);
  }

  // The same from an authority that the others do not trust; it trusts them.
  TlsConfig stranger(const std::string& name) {
    return node_of(*make_authority(request("other authority", kHour)), name, kHour, {"localhost"});
  }

  TlsConfig node_of(const Certificate& authority, const std::string& name, int64_t millis,
                    const std::vector<std::string>& hosts) {
    CertificateRequest wanted = request(name, millis);
    wanted.hosts = hosts;
    store(name, *make_certificate(authority, wanted));
    return {folder_.file(name + ".pem"), folder_.file(name + ".key"), folder_.file("authority.pem"),
            Duration{}};
  }

  std::string file(const std::string& name) const { return folder_.file(name); }

 private:
  static CertificateRequest request(const std::string& name, int64_t millis) {
    const int64_t now = read_clocks().wall.millis;
    return {.name = name, .from = {now - 1000 * kHour}, .until = {now + millis}};
  }
  void store(const std::string& name, const Certificate& certificate) {
    ASSERT_TRUE(
        write_certificate(certificate, folder_.file(name + ".pem"), folder_.file(name + ".key"))
            .has_value());
  }

  TempFolder folder_;
  Certificate authority_;
};

std::function<void(DriverConfig&)> with_tls(const TlsConfig& tls) {
  return [tls](DriverConfig& config) {
    config.listeners = {{"test", "127.0.0.1", 0}, {"links", "127.0.0.1", 0, ListenerKind::kLinks}};
    config.links.tls = tls;
  };
}

uint16_t link_port(RunningDriver& driver) {
  return driver.driver().port(port::ListenerIndex{1});
}

port::Connect connect_to(uint16_t port, const std::string& peer_name) {
  return {kLink, "127.0.0.1", port, peer_name};
}

// Opens one link when it starts and sends each of `texts` on it.
class Dialling : public ScriptedMachine {
 public:
  explicit Dialling(port::Connect connect, std::vector<std::string> texts = {})
      : ScriptedMachine([texts](const port::Event& event, port::Effects& effects) {
          if (!std::holds_alternative<port::ConnectionOpened>(event)) return;
          for (const std::string& text : texts) {
            effects.add(port::Send{
                kLink, {Buffer::copy_of(frame_bytes(text).substr(0, 4)), Buffer::copy_of(text)}});
          }
        }) {
    on_start = [connect](port::Effects& effects) { effects.add(connect); };
  }
};

// What a link ends with when `client` opens it to `server`, seen from both.
struct Outcome {
  std::string client;  // reason of ConnectionClosed
  std::string server;  // log line
};
Outcome refusal(const TlsConfig& server_tls, const TlsConfig& client_tls,
                const std::string& peer_name) {
  ScriptedMachine answering(echo);
  RunningDriver server(answering, with_tls(server_tls));
  Dialling dialling(connect_to(link_port(server), peer_name));
  RunningDriver client(dialling, with_tls(client_tls));
  Outcome outcome;
  EXPECT_TRUE(eventually([&] {
    const auto lines = server.log().lines("link.refused");
    if (!lines.empty()) outcome.server = lines[0];
    outcome.client = dialling.closed_because();
    return !outcome.client.empty() && !lines.empty();
  }));
  EXPECT_TRUE(answering.seen().empty());
  return outcome;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(TlsLink, BothSidesLearnWhoTheOtherIs) {
  Keys keys;
  ScriptedMachine answering(echo);
  RunningDriver server(answering, with_tls(keys.node("bj-1")));
  Dialling dialling(connect_to(link_port(server), "bj-1"), {"secret"});
  RunningDriver client(dialling, with_tls(keys.node("sh-1")));
  ASSERT_TRUE(eventually([&] { return dialling.count("frame secret") == 1; }));
  EXPECT_EQ(dialling.seen(), (std::vector<std::string>{"connected", "peer bj-1", "frame secret"}));
  EXPECT_EQ(answering.seen(), (std::vector<std::string>{"opened 1", "peer sh-1", "frame secret"}));
}

TEST(TlsLink, CarriesFramesOfAllSizesWholeAndInOrder) {
  Keys keys;
  std::vector<std::string> texts;
  for (const size_t size : {1, 2, 16'379, 16'380, 16'381, 16'384, 100'000, 3, 40'000'000, 5}) {
    texts.push_back(std::to_string(size) + std::string(size, 'x'));
  }
  for (int i = 0; i < 3000; ++i) texts.push_back("small " + std::to_string(i));
  std::vector<std::string> received;
  std::atomic<bool> all = false;
  ScriptedMachine answering([&](const port::Event& event, port::Effects&) {
    const auto* frame = std::get_if<port::FrameReceived>(&event);
    if (frame == nullptr) return;
    received.emplace_back(frame->frame.text());
    if (received.size() == texts.size()) all = true;
  });
  RunningDriver server(answering, with_tls(keys.node("bj-1")));
  Dialling dialling(connect_to(link_port(server), "bj-1"), texts);
  RunningDriver client(dialling, with_tls(keys.node("sh-1")));
  ASSERT_TRUE(eventually([&] { return all.load(); }));
  server.stop();
  EXPECT_TRUE(received == texts);
}

TEST(TlsLink, BothDirectionsFlowAtOnceWhenBothAreFull) {
  Keys keys;
  const std::string large(8 * 1024 * 1024, 'f');
  ScriptedMachine answering(echo);
  RunningDriver server(answering, with_tls(keys.node("bj-1")));
  Dialling dialling(connect_to(link_port(server), "bj-1"), std::vector<std::string>(6, large));
  RunningDriver client(dialling, with_tls(keys.node("sh-1")));
  EXPECT_TRUE(eventually([&] { return dialling.count("frame " + large.substr(0, 40)) == 6; }));
}

TEST(TlsLink, RefusesThePeerThatIsNotTheOneMeant) {
  Keys keys;
  const Outcome outcome = refusal(keys.node("bj-1"), keys.node("sh-1"), "gz-1");
  EXPECT_TRUE(contains(outcome.client, "the peer is 'bj-1', not 'gz-1'")) << outcome.client;
  EXPECT_TRUE(contains(outcome.server, "the peer refuses our certificate")) << outcome.server;
}

TEST(TlsLink, RefusesAnExpiredCertificateOnEitherSide) {
  Keys keys;
  const Outcome server = refusal(keys.node("bj-1", -kHour), keys.node("sh-1"), "bj-1");
  EXPECT_TRUE(contains(server.client, "the certificate of 'bj-1' expired on 2")) << server.client;
  EXPECT_TRUE(contains(server.server, "our certificate has expired")) << server.server;
}

TEST(TlsLink, RefusesACertificateOfAnotherAuthority) {
  Keys keys;
  const Outcome outcome = refusal(keys.stranger("bj-1"), keys.node("sh-1"), "bj-1");
  EXPECT_TRUE(contains(outcome.client,
                       "the certificate of 'bj-1' was issued by 'other authority', "
                       "which is not the authority we trust"))
      << outcome.client;
  EXPECT_TRUE(contains(outcome.server, "does not trust the authority that issued our certificate"))
      << outcome.server;
}

// With TLS 1.3 the side that connects is ready before the other has looked at its certificate.
TEST(TlsLink, TellsTheSideThatConnectsWhyItsCertificateIsRefused) {
  Keys keys;
  ScriptedMachine answering(echo);
  RunningDriver server(answering, with_tls(keys.node("bj-1")));
  Dialling dialling(connect_to(link_port(server), "bj-1"), {"too early"});
  RunningDriver client(dialling, with_tls(keys.stranger("sh-1")));
  ASSERT_TRUE(eventually([&] { return !dialling.closed_because().empty(); }));
  EXPECT_EQ(dialling.closed_because(),
            "read failed: the peer does not trust the authority that issued our certificate");
  ASSERT_TRUE(eventually([&] { return server.log().lines("link.refused").size() == 1; }));
  const auto lines = server.log().lines("link.refused");
  EXPECT_TRUE(contains(lines[0], "'sh-1' was issued by 'other authority'")) << lines[0];
  EXPECT_TRUE(answering.seen().empty());
}

TEST(TlsLink, NothingButTlsGetsIn) {
  Keys keys;
  ScriptedMachine answering(echo);
  RunningDriver server(answering, with_tls(keys.node("bj-1")));
  TestClient plain(link_port(server));
  ASSERT_TRUE(plain.write_frame("this is a Kafka request, not TLS"));
  plain.read_all();
  TestClient http(link_port(server));
  ASSERT_TRUE(http.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  http.read_all();
  { TestClient gone(link_port(server)); }
  ASSERT_TRUE(eventually([&] { return server.log().lines("link.refused").size() == 3; }));
  const auto lines = server.log().lines("link.refused");
  EXPECT_TRUE(contains(lines[0], "the peer does not speak TLS")) << lines[0];
  EXPECT_TRUE(contains(lines[1], "the peer does not speak TLS")) << lines[1];
  EXPECT_TRUE(contains(lines[2], "ended the connection during the TLS handshake")) << lines[2];
  EXPECT_TRUE(answering.seen().empty());
}

TEST(TlsLink, SaysThatThePeerDoesNotSpeakTls) {
  Keys keys;
  ScriptedMachine answering(echo);
  RunningDriver server(answering);  // its listener takes the greeting for a frame of absurd size
  Dialling dialling(connect_to(server.port(), "bj-1"));
  RunningDriver client(dialling, with_tls(keys.node("sh-1")));
  ASSERT_TRUE(eventually([&] { return !dialling.closed_because().empty(); }));
  EXPECT_TRUE(contains(dialling.closed_because(), "TLS handshake")) << dialling.closed_because();
}

TEST(TlsLink, GivesUpOnAHandshakeThatDoesNotEnd) {
  Keys keys;
  ScriptedMachine answering(echo);
  RunningDriver server(answering, [&](DriverConfig& config) {
    with_tls(keys.node("bj-1"))(config);
    config.links.handshake_max = Duration::milliseconds(50);
  });
  TestClient silent(link_port(server));
  EXPECT_TRUE(silent.closed());
  ASSERT_TRUE(eventually([&] { return server.log().lines("link.refused").size() == 1; }));
  EXPECT_TRUE(contains(server.log().lines("link.refused")[0], "within 50 ms"));
}

TEST(TlsLink, SaysGoodbyeAfterEverythingWasSent) {
  Keys keys;
  ScriptedMachine answering([](const port::Event& event, port::Effects& effects) {
    const auto* frame = std::get_if<port::FrameReceived>(&event);
    if (frame == nullptr) return;
    effects.add(port::SetReading{frame->connection, false});
    effects.add(port::Send{frame->connection, {Buffer::copy_of(frame_bytes("goodbye"))}});
    effects.add(port::CloseConnection{frame->connection, true});
  });
  RunningDriver server(answering, with_tls(keys.node("bj-1")));
  Dialling dialling(connect_to(link_port(server), "bj-1"), {"hello"});
  RunningDriver client(dialling, with_tls(keys.node("sh-1")));
  ASSERT_TRUE(eventually([&] { return !dialling.closed_because().empty(); }));
  EXPECT_EQ(dialling.seen(), (std::vector<std::string>{"connected", "peer bj-1", "frame goodbye",
                                                       "closed: closed by the peer"}));
}

TEST(TlsLink, RefusesToStartWithoutGoodFiles) {
  Keys keys;
  const TlsConfig good = keys.node("bj-1");
  const TlsConfig other = keys.node("sh-1");
  const auto error_of = [](const TlsConfig& tls) {
    TestLog log;
    auto opened = TlsContext::open("links", tls, TlsUse::kLinks, read_clocks(), log);
    return opened ? std::string("opened") : opened.error().message;
  };
  EXPECT_EQ(error_of(good), "opened");
  TlsConfig tls = good;
  tls.key_file = other.key_file;
  EXPECT_TRUE(contains(error_of(tls), "no key that fits the certificate")) << error_of(tls);
  tls = good;
  tls.certificate_file = keys.file("missing.pem");
  EXPECT_TRUE(contains(error_of(tls), "missing.pem: No such file")) << error_of(tls);
  tls = good;
  tls.certificate_file = good.key_file;
  EXPECT_TRUE(contains(error_of(tls), "holds no certificate")) << error_of(tls);
  tls = good;
  tls.authority_file = "";
  EXPECT_TRUE(contains(error_of(tls), "an authority are needed")) << error_of(tls);
}

TEST(TlsContext, ReadsFilesThatChangedAndKeepsTheOldOnesWhenTheyAreBad) {
  Keys keys;
  const TlsConfig tls = keys.node("bj-1");
  TestLog log;
  Now now = read_clocks();
  auto context = TlsContext::open("links", tls, TlsUse::kLinks, now, log);
  ASSERT_TRUE(context.has_value());
  SSL_CTX* first = (*context)->current(now);
  EXPECT_EQ((*context)->current(now), first);

  std::ofstream(tls.certificate_file) << "half of a";
  EXPECT_EQ((*context)->current(now), first);
  EXPECT_EQ((*context)->current(now), first);
  const auto failed = log.lines("tls.reload_failed");
  ASSERT_EQ(failed.size(), 1u);  // said once, not for each connection
  EXPECT_TRUE(contains(failed[0], "holds no certificate")) << failed[0];

  (void)keys.node("bj-1");
  EXPECT_NE((*context)->current(now), first);
  EXPECT_EQ(log.lines("tls.reloaded").size(), 1u);
}

TEST(TlsContext, LooksAtTheFilesNotTooOften) {
  Keys keys;
  TlsConfig tls = keys.node("bj-1");
  tls.check_interval = Duration::seconds(2);
  TestLog log;
  Now now = read_clocks();
  auto context = TlsContext::open("links", tls, TlsUse::kLinks, now, log);
  ASSERT_TRUE(context.has_value());
  (void)keys.node("bj-1");
  (void)(*context)->current(now);
  EXPECT_TRUE(log.lines("tls.reloaded").empty());
  now.instant = now.instant + Duration::seconds(2);
  (void)(*context)->current(now);
  EXPECT_EQ(log.lines("tls.reloaded").size(), 1u);
}

TEST(TlsContext, WarnsOfTheEndOfOurCertificateOnceADay) {
  Keys keys;
  TestLog log;
  Now now = read_clocks();
  auto context =
      TlsContext::open("links", keys.node("bj-1", 20 * 24 * kHour), TlsUse::kLinks, now, log);
  ASSERT_TRUE(context.has_value());
  EXPECT_TRUE(log.lines("tls.certificate_expires").empty());
  now.wall.millis += 7 * 24 * kHour;
  (void)(*context)->current(now);
  (void)(*context)->current(now);
  ASSERT_EQ(log.lines("tls.certificate_expires").size(), 1u);
  EXPECT_TRUE(contains(log.lines("tls.certificate_expires")[0], "'bj-1'"));
  now.wall.millis += 25 * kHour;
  (void)(*context)->current(now);
  EXPECT_EQ(log.lines("tls.certificate_expires").size(), 2u);
}

TEST(TlsLink, ARenewedCertificateIsUsedForTheNextLink) {
  Keys keys;
  const TlsConfig tls = keys.node("bj-1", -kHour);
  ScriptedMachine answering(echo);
  RunningDriver server(answering, with_tls(tls));
  uint64_t attempts = 0;
  ScriptedMachine machine([&](const port::Event& event, port::Effects& effects) {
    if (!std::holds_alternative<port::ConnectionClosed>(event)) return;
    (void)keys.node("bj-1");
    effects.add(port::Connect{
        {port::kOwnConnectionBit | ++attempts}, "127.0.0.1", link_port(server), "bj-1"});
  });
  machine.on_start = [&](port::Effects& effects) {
    effects.add(port::Connect{
        {port::kOwnConnectionBit | ++attempts}, "127.0.0.1", link_port(server), "bj-1"});
  };
  RunningDriver client(machine, with_tls(keys.node("sh-1")));
  EXPECT_TRUE(eventually([&] { return machine.count("connected") == 1; }));
  EXPECT_TRUE(contains(machine.closed_because(), "expired")) << machine.closed_because();
}

// Accepts connections in a thread until the end of the test, and answers one request on each.
class HttpsServer {
 public:
  HttpsServer(const TlsConfig& tls, bool wants_certificate)
      : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto opened = TlsContext::open("the test", tls, TlsUse::kLinks, read_clocks(), log_);
    EXPECT_TRUE(opened.has_value());
    context_ = std::move(*opened);
    if (!wants_certificate) {
      SSL_CTX_set_verify(context_->current(read_clocks()), SSL_VERIFY_NONE, nullptr);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listening_, 10), 0);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~HttpsServer() {
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    ::close(listening_);
  }
  std::string url(const std::string& host) const {
    return "https://" + host + ":" + std::to_string(port_) + "/";
  }

 private:
  void serve() {
    while (true) {
      const int connection = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      const SslRef ssl(SSL_new(context_->current(read_clocks())));
      SSL_set_fd(ssl.get(), connection);
      if (SSL_accept(ssl.get()) == 1) answer(ssl.get());
      ERR_clear_error();
      // Whoever was refused hears of it before the connection is gone.
      ::shutdown(connection, SHUT_WR);
      char ignored[1024];
      while (::recv(connection, ignored, sizeof ignored, 0) > 0) {
      }
      ::close(connection);
    }
  }

  static void answer(SSL* ssl) {
    std::string request;
    char some[1024];
    int count = 1;
    while (count > 0 && !request.ends_with("\r\n\r\n{}")) {
      count = SSL_read(ssl, some, sizeof some);
      if (count > 0) request.append(some, static_cast<size_t>(count));
    }
    const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
    (void)SSL_write(ssl, text.data(), static_cast<int>(text.size()));
  }

  TestLog log_;
  std::unique_ptr<TlsContext> context_;
  int listening_;
  uint16_t port_ = 0;
  std::thread thread_;
};

// What one call to `url` brings.
std::string outcome_of(const std::string& url, const TlsConfig& tls) {
  ScriptedMachine machine;
  machine.on_start = [&](port::Effects& effects) {
    effects.add(port::HttpCall{{1}, url, "", "{}"});
  };
  RunningDriver client(machine, [&](DriverConfig& config) { config.http_client.tls = tls; });
  EXPECT_TRUE(eventually([&] { return machine.seen().size() == 1; }));
  return machine.seen()[0];
}

TEST(HttpsCall, VerifiesTheServerAndItsHost) {
  Keys keys;
  const TlsConfig server_tls = keys.node("etcd-1");
  HttpsServer server(server_tls, false);
  const TlsConfig trusting{"", "", server_tls.authority_file, Duration{}};
  EXPECT_TRUE(outcome_of(server.url("localhost"), trusting).starts_with("answer 200 secret"));
  EXPECT_TRUE(outcome_of(server.url("127.0.0.1"), trusting).starts_with("answer 200 secret"));
  TlsConfig distrusting = trusting;
  const TlsConfig stranger = keys.stranger("x");
  distrusting.authority_file = stranger.certificate_file;
  const std::string refused = outcome_of(server.url("localhost"), distrusting);
  EXPECT_TRUE(contains(refused, "failed unavailable")) << refused;
  EXPECT_TRUE(contains(refused, "which is not the authority we trust")) << refused;
}

TEST(HttpsCall, RefusesTheCertificateOfAnotherHost) {
  Keys keys;
  const TlsConfig server_tls = keys.node("etcd-1", kHour, {"etcd.example"});
  HttpsServer server(server_tls, false);
  const TlsConfig trusting{"", "", server_tls.authority_file, Duration{}};
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    const std::string refused = outcome_of(server.url(host), trusting);
    EXPECT_TRUE(contains(refused, "'etcd-1' is not issued for the host '" + host + "'")) << refused;
  }
}

TEST(HttpsCall, ShowsItsCertificateToAServerThatWantsOne) {
  Keys keys;
  HttpsServer server(keys.node("etcd-1"), true);
  const TlsConfig with = keys.node("bj-1");
  EXPECT_TRUE(outcome_of(server.url("localhost"), with).starts_with("answer 200 secret"));
  const TlsConfig without{"", "", with.authority_file, Duration{}};
  const std::string refused = outcome_of(server.url("localhost"), without);
  EXPECT_TRUE(contains(refused, "failed")) << refused;
  EXPECT_TRUE(contains(refused, "the peer wants a certificate of us")) << refused;
}

TEST(HttpsCall, SaysThatTheServerDoesNotSpeakTls) {
  Keys keys;
  ScriptedMachine answering;
  RunningDriver server(answering);
  const std::string refused = outcome_of(
      "https://localhost:" + std::to_string(server.admin_port()) + "/", keys.node("bj-1"));
  EXPECT_TRUE(contains(refused, "the peer does not speak TLS")) << refused;
}

}  // namespace
}  // namespace magpie::os
