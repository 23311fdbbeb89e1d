#include "io/resolver.h"

#include <errno.h>
#include <linux/capability.h>
#include <netdb.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "io/message.h"

namespace wanbond {
namespace {

constexpr std::size_t kHostBytesMax = 253;  // RFC 1035 3.1, as text
constexpr std::size_t kEndpointsMax = 16;

/// One message each way, over a SOCK_SEQPACKET pair between parent and child of one program.
struct Question {
  std::uint16_t port = 0;
  char host[kHostBytesMax + 1] = {};
};
struct Answer {
  int error = 0;   // of getaddrinfo
  int reason = 0;  // errno, when error is EAI_SYSTEM
  std::size_t count = 0;
  Endpoint endpoints[kEndpointsMax];
};

Answer look_up(const Question& question) {
  Answer answer;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  answer.error = ::getaddrinfo(question.host, nullptr, &hints, &list);
  answer.reason = errno;
  if (answer.error != 0) return answer;
  for (const addrinfo* a = list; a != nullptr && answer.count < kEndpointsMax; a = a->ai_next) {
    SocketName name{};
    std::memcpy(&name, a->ai_addr, std::min<std::size_t>(a->ai_addrlen, sizeof(name)));
    answer.endpoints[answer.count++] = {read_name(name).address, question.port};
  }
  ::freeaddrinfo(list);
  return answer;
}

/// The child: gives up all it does not need, then answers until the parent closes its end.
[[noreturn]] void serve(int fd, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);
  constexpr int kOwn = 3;  // standard streams stay closed too: nothing is to be said there
  if (fd != kOwn) ::dup2(fd, kOwn);
  ::syscall(SYS_close_range, kOwn + 1, ~0U, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGINT, SIG_IGN);  // a terminal's Ctrl-C is the parent's matter
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct version{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const __user_cap_data_struct nothing[2] = {};
  ::syscall(SYS_capset, &version, nothing);
  for (;;) {
    Question question;
    const ssize_t got = ::recv(kOwn, &question, sizeof(question), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got != sizeof(question)) ::_exit(0);
    question.host[kHostBytesMax] = '\0';
    const Answer answer = look_up(question);
    if (::send(kOwn, &answer, sizeof(answer), MSG_NOSIGNAL) < 0) ::_exit(0);
  }
}

}  // namespace

Result<std::unique_ptr<Resolver>> Resolver::start() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return Error{std::string("cannot start the resolver (socketpair): ") + std::strerror(errno)};
  Fd mine(ends[0]);
  const Fd theirs(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0)
    return Error{std::string("cannot start the resolver (fork): ") + std::strerror(errno)};
  if (child == 0) serve(theirs.get(), parent);
  return std::unique_ptr<Resolver>(new Resolver(std::move(mine), child));
}

Resolver::Resolver(Fd fd, pid_t child) noexcept : fd_(std::move(fd)), child_(child) {}

Resolver::~Resolver() {
  fd_ = Fd();
  // Of another user since privileges were dropped, it cannot be killed; it ends with us then.
  const bool killed = ::kill(child_, SIGKILL) == 0;
  ::waitpid(child_, nullptr, killed ? 0 : WNOHANG);
}

bool Resolver::request(int token, std::string_view host, std::uint16_t port) {
  if (!alive_ || pending_.size() >= kPendingMax) return false;
  if (host.empty() || host.size() > kHostBytesMax || host.find('\0') != host.npos) return false;
  Question question;
  question.port = port;
  host.copy(question.host, kHostBytesMax);
  const ssize_t sent = ::send(fd_.get(), &question, sizeof(question), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent != sizeof(question)) return false;
  pending_.push_back({token, std::string(host)});
  return true;
}

std::vector<Resolution> Resolver::take_results() {
  std::vector<Resolution> results;
  while (alive_) {
    Answer answer;
    const ssize_t got = ::recv(fd_.get(), &answer, sizeof(answer), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (got != sizeof(answer) || pending_.empty()) {
      alive_ = false;
      break;
    }
    Resolution done{.token = pending_.front().token, .host = pending_.front().host};
    pending_.erase(pending_.begin());
    done.endpoints.assign(answer.endpoints,
                          answer.endpoints + std::min(answer.count, kEndpointsMax));
    if (answer.error == EAI_SYSTEM)
      done.error = std::strerror(answer.reason);
    else if (answer.error != 0)
      done.error = ::gai_strerror(answer.error);
    else if (done.endpoints.empty())
      done.error = "no address";
    results.push_back(std::move(done));
  }
  if (!alive_) {
    for (Pending& lost : pending_)
      results.push_back({.token = lost.token,
                         .host = std::move(lost.host),
                         .error = "the resolver process ended"});
    pending_.clear();
  }
  return results;
}

}  // namespace wanbond
