// The resolver with names that need no network: /etc/hosts, literal addresses, reserved names.
#include "io/resolver.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/time.h"
#include "io/io.h"

using namespace wanbond;

namespace {

/// Results until there are `count` or five seconds passed.
std::vector<Resolution> collect(Resolver& resolver, std::size_t count) {
  std::vector<Resolution> all;
  const Time end = monotonic_now() + 5s;
  while (all.size() < count && monotonic_now() < end) {
    pollfd readable{.fd = resolver.fd(), .events = POLLIN, .revents = 0};
    ::poll(&readable, 1, 100);
    for (Resolution& result : resolver.take_results()) all.push_back(std::move(result));
  }
  return all;
}

/// Process id of this process's only child.
pid_t child_of_this() {
  const std::string path = "/proc/self/task/" + std::to_string(::getpid()) + "/children";
  std::ifstream file(path);
  pid_t child = -1;
  file >> child;
  return child;
}

}  // namespace

TEST_SUITE("resolver") {
  TEST_CASE("names and addresses become endpoints, in the order asked") {
    Result<std::unique_ptr<Resolver>> resolver = Resolver::start();
    REQUIRE(resolver);
    REQUIRE((*resolver)->request(1, "192.0.2.7", 51900));
    REQUIRE((*resolver)->request(2, "2001:db8::7", 51901));
    REQUIRE((*resolver)->request(3, "localhost", 51902));
    const std::vector<Resolution> results = collect(**resolver, 3);
    REQUIRE(results.size() == 3);
    CHECK(results[0].token == 1);
    CHECK(results[0].error.empty());
    REQUIRE(results[0].endpoints.size() == 1);
    CHECK(results[0].endpoints[0] == *Endpoint::parse("192.0.2.7:51900"));
    CHECK(results[1].endpoints[0] == *Endpoint::parse("[2001:db8::7]:51901"));
    CHECK(results[2].host == "localhost");
    REQUIRE_FALSE(results[2].endpoints.empty());
    CHECK(results[2].endpoints[0].port == 51902);
  }

  TEST_CASE("a name that does not exist fails with words and no endpoint") {
    Result<std::unique_ptr<Resolver>> resolver = Resolver::start();
    REQUIRE(resolver);
    REQUIRE((*resolver)->request(9, "a name with spaces", 1));
    const std::vector<Resolution> results = collect(**resolver, 1);
    REQUIRE(results.size() == 1);
    CHECK(results[0].endpoints.empty());
    CHECK_FALSE(results[0].error.empty());
  }

  TEST_CASE("names of impossible length and too many questions are refused") {
    Result<std::unique_ptr<Resolver>> resolver = Resolver::start();
    REQUIRE(resolver);
    CHECK_FALSE((*resolver)->request(1, "", 1));
    CHECK_FALSE((*resolver)->request(1, std::string(254, 'a'), 1));
    std::size_t taken = 0;
    while (taken < 1000 && (*resolver)->request(static_cast<int>(taken), "127.0.0.1", 1)) ++taken;
    CHECK(taken == Resolver::kPendingMax);
    CHECK(collect(**resolver, taken).size() == taken);
    CHECK((*resolver)->request(1, "127.0.0.1", 1));
  }

  TEST_CASE("the end of the child fails what is pending, and is known") {
    Result<std::unique_ptr<Resolver>> resolver = Resolver::start();
    REQUIRE(resolver);
    const pid_t child = child_of_this();
    REQUIRE(child > 0);
    ::kill(child, SIGSTOP);
    REQUIRE((*resolver)->request(5, "127.0.0.1", 1));
    ::kill(child, SIGKILL);
    const std::vector<Resolution> results = collect(**resolver, 1);
    REQUIRE(results.size() == 1);
    CHECK(results[0].token == 5);
    CHECK_FALSE(results[0].error.empty());
    CHECK_FALSE((*resolver)->alive());
    CHECK_FALSE((*resolver)->request(6, "127.0.0.1", 1));
  }

  TEST_CASE("ends at once, also with questions open, and leaves no process") {
    const Time before = monotonic_now();
    {
      Result<std::unique_ptr<Resolver>> resolver = Resolver::start();
      REQUIRE(resolver);
      for (int i = 0; i < 20; ++i) (*resolver)->request(i, "no-such-host.invalid", 1);
    }
    CHECK(monotonic_now() - before < 1s);
    CHECK(child_of_this() == -1);
  }
}
