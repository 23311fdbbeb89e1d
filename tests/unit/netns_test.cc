#include "lab/netns.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "io/netlink.h"
#include "lab/child.h"

using namespace wanbond;

namespace {

// A namespace, or none and a message where the rights are missing.
std::optional<Netns> make_or_skip() {
  auto made = Netns::make();
  if (made) return std::move(*made);
  MESSAGE("skipped: " << made.error().message);
  return std::nullopt;
}

std::string own_netns() { return std::filesystem::read_symlink("/proc/thread-self/ns/net"); }

std::size_t link_count() {
  auto netlink = Netlink::open();
  REQUIRE(netlink);
  return netlink->links()->size();
}

}  // namespace

TEST_SUITE("netns") {
  TEST_CASE("a new namespace has loopback up and nothing else, and a visit ends at home") {
    const auto netns = make_or_skip();
    if (!netns) return;
    const std::string home = own_netns();
    {
      const auto visit = NetnsVisit::enter(*netns);
      REQUIRE(visit);
      CHECK(own_netns() != home);
      auto netlink = Netlink::open();
      REQUIRE(netlink);
      CHECK(netlink->link("lo")->up);
    }
    CHECK(own_netns() == home);
  }

  TEST_CASE("a named namespace can be opened by its name, and ends with its object") {
    if (!make_or_skip()) return;
    const std::string name = "wb-netns-test-" + std::to_string(::getpid());
    {
      auto made = Netns::make_named(name);
      REQUIRE(made);
      CHECK_FALSE(Netns::make_named(name));
      const auto moved = std::move(*made);
      CHECK(Netns::open_named(name));
    }
    CHECK_FALSE(Netns::open_named(name));
    CHECK_FALSE(std::filesystem::exists("/run/netns/" + name));
  }

  TEST_CASE("a child runs in its namespace, and its status comes back") {
    const auto netns = make_or_skip();
    if (!netns) return;
    const std::string home = own_netns();
    auto child = Child::fork([&home] { return own_netns() == home ? 1 : 42; }, {.netns = &*netns});
    REQUIRE(child);
    CHECK(child->wait(5s) == 42);
    CHECK(child->wait(0s) == 42);
    CHECK(link_count() > 0);
  }
}

TEST_SUITE("child") {
  TEST_CASE("a program's output goes where it is told, its status comes back") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    auto child =
        Child::run({"sh", "-c", "echo out; echo err >&2; exit 3"}, {.output_fd = writer.get()});
    REQUIRE(child);
    CHECK(child->wait(5s) == 3);
    writer = Fd();
    char text[32] = {};
    CHECK(::read(reader.get(), text, sizeof(text) - 1) == 8);
    CHECK(std::string(text) == "out\nerr\n");
  }

  TEST_CASE("a program that does not exist ends with 127") {
    auto child = Child::run({"/no/such/program"});
    REQUIRE(child);
    CHECK(child->wait(5s) == 127);
  }

  TEST_CASE("a child that runs on ends with its object, even if it ignores SIGTERM") {
    pid_t pid = 0;
    {
      auto child = Child::run({"sh", "-c", "trap '' TERM; while :; do sleep 1; done"});
      REQUIRE(child);
      CHECK_FALSE(child->wait(50ms));
      pid = child->pid();
      CHECK(::kill(pid, 0) == 0);
    }
    CHECK(::kill(pid, 0) != 0);
  }

  TEST_CASE("a signal ends a child, and its number comes back") {
    auto child = Child::run({"sleep", "60"});
    REQUIRE(child);
    child->signal(SIGINT);
    CHECK(child->wait(5s) == 128 + SIGINT);
  }
}
