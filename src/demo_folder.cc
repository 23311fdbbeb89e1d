#include "demo_folder.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "io/fd.h"

namespace wanbond {
namespace {

constexpr std::size_t kPathMax = 80;  // a socket's path has at most 107 bytes
constexpr std::uint64_t kSpaceMin = 512'000'000;

}  // namespace

Result<DemoFolder> DemoFolder::make() {
  const char* place = std::getenv("TMPDIR");
  std::string path = std::string(place != nullptr && *place != '\0' ? place : "/tmp");
  struct statvfs space {};
  if (::statvfs(path.c_str(), &space) == 0 && space.f_bavail * space.f_frsize < kSpaceMin)
    return Error{path + " has less than 512 MB of free space; set TMPDIR to a folder with more"};
  path += "/wanbond-demo-XXXXXX";
  if (path.size() > kPathMax) return Error{path + ": the path is too long; set TMPDIR to /tmp"};
  if (::mkdtemp(path.data()) == nullptr)
    return Error{"cannot create " + path + ": " + std::strerror(errno) +
                 "; set TMPDIR to a folder that can be written"};
  return DemoFolder(path);
}

DemoFolder::~DemoFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<void> DemoFolder::write(const std::string& name, const std::string& text) const {
  const Fd fd(::open(file(name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const auto size = static_cast<ssize_t>(text.size());
  if (fd.valid() && ::write(fd.get(), text.data(), text.size()) == size) return {};
  return Error{"cannot write " + file(name) + ": " + std::strerror(errno)};
}

std::string DemoFolder::last_line(const std::string& name) const {
  std::ifstream input(file(name));
  std::string last;
  for (std::string line; std::getline(input, line);)
    if (!line.empty()) last = line;
  return last;
}

void DemoFolder::remove(const std::string& name) const noexcept { ::unlink(file(name).c_str()); }

}  // namespace wanbond
