// The UNIX socket under the control service: who listens, and where that process lives.
#include "io/line_server.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "tests/unit/io_fixture.h"

using namespace wanbond;

namespace {

/// A path for a socket that vanishes with the test.
struct SocketFile {
  std::string path = std::filesystem::temp_directory_path() /
                     ("wanbond-line-server-" + std::to_string(::getpid()) + ".sock");
  ~SocketFile() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

}  // namespace

TEST_SUITE("line_server") {
  TEST_CASE("who listens in this network namespace may share our routes") {
    const SocketFile file;
    const Result<Fd> listener = listen_unix(file.path);
    REQUIRE(listener);
    int error = 0;
    const Result<Fd> connection = connect_unix(file.path, error);
    REQUIRE(connection);
    CHECK(may_share_network(*connection));
  }

  TEST_CASE("who listens in another network namespace does not") {
    const SocketFile file;
    const Result<Fd> listener = listen_unix(file.path);
    REQUIRE(listener);
    check_code(in_namespace([&] {
      int error = 0;
      const Result<Fd> connection = connect_unix(file.path, error);
      return connection && !may_share_network(*connection);
    }));
  }

  TEST_CASE("who is dead does not, though its socket still listens") {
    const SocketFile file;
    const Result<Fd> listener = listen_unix(file.path);
    REQUIRE(listener);
    const pid_t child = ::fork();  // the kernel takes the last to call listen() for the owner
    if (child == 0) ::_exit(::listen(listener->get(), 1) == 0 ? 0 : 1);
    int status = -1;
    ::waitpid(child, &status, 0);
    REQUIRE(status == 0);
    int error = 0;
    const Result<Fd> connection = connect_unix(file.path, error);
    REQUIRE(connection);
    CHECK_FALSE(may_share_network(*connection));
  }
}
