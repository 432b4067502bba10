#include "screen.hpp"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <string_view>

namespace gcheap::demo {
namespace {

// Alternate screen, cursor hidden, no wrapping; and back.
constexpr std::string_view enter = "\033[?1049h\033[?25l\033[?7l";
constexpr std::string_view leave = "\033[?7h\033[?25h\033[?1049l";

// Only what may be called in a signal handler.
void send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t part = ::write(STDERR_FILENO, text.data(), text.size());
    if (part < 0 && errno == EINTR) continue;
    if (part <= 0) return;  // nobody is there to see it
    text.remove_prefix(static_cast<std::size_t>(part));
  }
}

constexpr std::array<int, 5> deadly{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
std::array<struct sigaction, deadly.size()> before{};

void handle(int number);

void install(int number, struct sigaction* old) {
  struct sigaction mine {};
  mine.sa_handler = handle;
  mine.sa_flags = SA_RESTART | SA_NODEFER;
  ::sigaction(number, &mine, old);
}

// Does what the signal does by default, with the terminal as it was.
void handle(int number) {
  const int error = errno;
  send(leave);
  ::signal(number, SIG_DFL);
  ::raise(number);
  // Only a stopped program comes here, when it goes on.
  install(number, nullptr);
  send(enter);
  errno = error;
}

}  // namespace

bool screen::possible() {
  const char* const term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe)
  return ::isatty(STDERR_FILENO) != 0 && term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
}

bool screen::shows_unicode() {
  std::setlocale(LC_CTYPE, "");                                // NOLINT(concurrency-mt-unsafe)
  return std::string_view(::nl_langinfo(CODESET)) == "UTF-8";  // NOLINT(concurrency-mt-unsafe)
}

bool screen::wants_colours() {
  const char* const no = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe)
  return no == nullptr || *no == '\0';
}

screen::screen() {
  for (std::size_t i = 0; i < deadly.size(); ++i) {
    install(deadly[i], &before[i]);
    // What the program was started to ignore (nohup) stays ignored.
    if (before[i].sa_handler == SIG_IGN) ::sigaction(deadly[i], &before[i], nullptr);
  }
  send(enter);
}

screen::~screen() {
  send(leave);
  for (std::size_t i = 0; i < deadly.size(); ++i) ::sigaction(deadly[i], &before[i], nullptr);
}

screen::size screen::current_size() {
  struct winsize now {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &now) != 0 || now.ws_col == 0 || now.ws_row == 0) return {80, 24};
  return {now.ws_col, now.ws_row};
}

void screen::draw(const std::vector<std::string>& lines) {
  std::string text = "\033[H";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i != 0) text += "\r\n";
    text += lines[i] + "\033[K";
  }
  send(text + "\033[J");
}

}  // namespace gcheap::demo
