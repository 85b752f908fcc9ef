// medmo chat: a conversation on the terminal, or an answer for each line that comes through a pipe.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command.hpp"
#include "medmo/core/parallel.hpp"
#include "medmo/generate/session.hpp"
#include "medmo/load.hpp"
#include "medmo/vision/overlay.hpp"
#include "medmo/vision/png.hpp"
#include "picture.hpp"
#include "report.hpp"
#include "sampling.hpp"

namespace command {
namespace {

using medmo::index;

struct chat_arguments {
  std::string model, system;
  std::vector<std::string> images;
  picture_arguments picture;
  sampling_arguments sampling;
  index max_new_tokens = 512, min_pixels = 0, max_pixels = 0;
  bool json = false;
  int threads = 0;
};

constexpr char const* usage =
    "/image FILE     a picture for the next question\n"
    "/overlay FILE   the last picture with the boxes of the last answer, as PNG\n"
    "/reset          a new conversation\n"
    "/help           this\n"
    "/quit           the end; so does Ctrl-D\n"
    "Everything else is a question. Ctrl-C ends an answer and keeps the conversation.\n";
constexpr std::size_t terminal_line = 4095;  // bytes; a terminal drops the rest of a line without a word

volatile std::sig_atomic_t interrupts = 0;
int wake[2] = {-1, -1};  // a byte for each interrupt: a wait for input sees it, whichever thread the signal came to

/// While it lives, Ctrl-C is counted; it ends the program only when nobody has taken notice of it twice.
struct interrupt_guard {
  interrupt_guard() {
    if (wake[0] < 0 && ::pipe2(wake, O_NONBLOCK | O_CLOEXEC) != 0) std::perror("medmo: pipe");
    for (char c; ::read(wake[0], &c, 1) == 1;) {}
    interrupts = 0;
    struct sigaction action {};
    action.sa_handler = [](int) {
      interrupts = interrupts + 1;
      if (interrupts > 2) ::_exit(130);
      [[maybe_unused]] auto written = ::write(wake[1], "", 1);
    };
    ::sigaction(SIGINT, &action, &before_);
  }
  interrupt_guard(interrupt_guard const&) = delete;
  ~interrupt_guard() { ::sigaction(SIGINT, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

/// What follows a command, without the spaces and quotes that a terminal puts around a file dragged into it.
std::string file_of(std::string const& line, std::string const& command) {
  auto begin = line.find_first_not_of(' ', command.size());
  if (begin == std::string::npos) MEDMO_THROW(medmo::errc::bad_argument, command, "a file", "none");
  auto end = line.find_last_not_of(' ') + 1;
  if (end - begin > 2 && line[begin] == line[end - 1] && (line[begin] == '\'' || line[begin] == '"')) ++begin, --end;
  return line.substr(begin, end - begin);
}

template <class C>
class conversation {
 public:
  explicit conversation(chat_arguments const& args)
      : args_(args), waiting_(read_pictures(args.images, args.picture)), model_(medmo::load<C>(args.model)), chat_(model_) {
    options_ = {.max_new_tokens = args.max_new_tokens, .sampling = sampling_of(args.sampling, model_.sampling),
                .system = args.system, .stop = args.sampling.stop, .min_pixels = args.min_pixels, .max_pixels = args.max_pixels};
    options_.on_text = [this](std::string_view piece) {
      erase_note();
      if (!args_.json) {
        std::fwrite(piece.data(), 1, piece.size(), stdout);
        std::fflush(stdout);
      }
      return interrupts == 0;
    };
  }

  /// Lines until the end of the input or /quit. False if one of them ended in an error.
  bool run() {
    if (person_) std::fputs(usage, stderr);
    bool good = true;
    for (std::string line; read(line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (line.find_first_not_of(" \t") == std::string::npos) continue;
      if (line == "/quit") break;
      good &= attempt(line);
    }
    if (person_ && std::cin.eof()) std::fputs("\n", stderr);
    return good || person_;
  }

 private:
  /// A line, or false at the end. A person's Ctrl-C throws the line away; a second one on the empty line is the end.
  bool read(std::string& line) {
    if (!person_) return static_cast<bool>(std::getline(std::cin, line));
    interrupt_guard guard;  // before the prompt: who sees it may press Ctrl-C
    std::fputs("> ", stderr);
    for (;;) {
      pollfd ready[] = {{0, POLLIN, 0}, {wake[0], POLLIN, 0}};
      if (::poll(ready, 2, -1) < 0) continue;  // by the signal: the pipe tells
      if (!(ready[1].revents & POLLIN)) return static_cast<bool>(std::getline(std::cin, line));
      for (char c; ::read(wake[0], &c, 1) == 1;) {}
      if (interrupts > 1) return false;
      std::fputs("\n(Ctrl-C again, Ctrl-D or /quit ends)\n> ", stderr);
    }
  }

  /// One line. An error is told, and the conversation goes on as if the line had not been.
  bool attempt(std::string const& line) {
    try {
      if (line.starts_with("/")) obey(line);
      else answer(line);
      return true;
    } catch (std::exception const& e) {
      erase_note();
      std::fprintf(stderr, "medmo: %s\n", e.what());
      if (args_.json) {
        std::puts(nlohmann::json{{"error", e.what()}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
        std::fflush(stdout);
      }
      return false;
    }
  }

  void obey(std::string const& line) {
    auto const command = line.substr(0, line.find(' '));
    if (line == "/reset") {
      chat_.reset();
      waiting_.clear(), shown_.clear(), found_.clear();
      note("a new conversation\n");
    } else if (line == "/help" || line == "/?") {
      std::fputs(usage, stderr);
    } else if (command == "/image") {
      waiting_.push_back(read_picture(file_of(line, command), args_.picture));
      auto const& p = waiting_.back();
      note(std::to_string(p.width) + " x " + std::to_string(p.height) + ", for the next question\n");
    } else if (command == "/overlay") {
      auto const file = file_of(line, command);
      if (shown_.empty()) MEDMO_THROW(medmo::errc::bad_argument, command, "a question about a picture before it", "none");
      medmo::vision::write_png(file, medmo::vision::overlay(shown_.back(), found_));
      note(std::to_string(found_.size()) + (found_.size() == 1 ? " box\n" : " boxes\n"));
    } else {
      MEDMO_THROW(medmo::errc::bad_argument, "command", "/image FILE, /overlay FILE, /reset, /help or /quit",
                  "\"" + line.substr(0, 40) + "\"");
    }
  }

  void answer(std::string const& question) {
    if (person_ && question.size() >= terminal_line)
      MEDMO_THROW(medmo::errc::too_large, "line", "fewer than " + std::to_string(terminal_line) + " bytes, as a terminal cuts it there (a pipe does not)",
                  std::to_string(question.size()));
    interrupt_guard guard;
    if (person_ && isatty(2)) note("..."), noted_ = true;
    auto const a = chat_.ask(waiting_, question, options_);
    erase_note();
    if (!waiting_.empty()) shown_ = std::move(waiting_);
    waiting_.clear();
    found_ = a.detections;
    if (args_.json) {
      nlohmann::ordered_json out{{"text", a.text}, {"stop_reason", medmo::name_of(a.stopped)}, {"detections", detections_of(a)}};
      std::puts(out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    } else {
      std::puts("");
      for (auto const& d : a.detections)
        std::printf("  %-24s  [%4.0f, %4.0f, %4.0f, %4.0f] px  %.3f\n", d.label.c_str(), d.box_px.x1, d.box_px.y1, d.box_px.x2,
                    d.box_px.y2, d.confidence.value_or(0));
      if (person_ && a.stopped != medmo::stop_reason::end_of_turn)
        std::fprintf(stderr, "(%s)\n", std::string(medmo::name_of(a.stopped)).c_str());
    }
    std::fflush(stdout);
  }

  void note(std::string const& text) const {
    if (person_) std::fputs(text.c_str(), stderr);
  }
  /// The dots that stand for an answer still to come.
  void erase_note() {
    if (std::exchange(noted_, false)) std::fputs("\r\033[K", stderr);
  }

  chat_arguments const& args_;
  bool const person_ = isatty(0) != 0;
  bool noted_ = false;
  std::vector<medmo::image> waiting_;  // for the next question
  std::vector<medmo::image> shown_;    // with the last question that had any
  std::vector<medmo::detection> found_;
  medmo::pretrained<C> model_;
  medmo::session<C> chat_;
  medmo::ask_options options_;
};

}  // namespace

void add_chat(CLI::App& app) {
  auto args = std::make_shared<chat_arguments>();
  auto* sub = app.add_subcommand("chat", "A conversation on the terminal (/help there lists its commands); from a pipe, an answer for each line");
  sub->add_option("--model", args->model, "Folder of the model, as published on Hugging Face")->required()->type_name("FOLDER");
  sub->add_option("--image", args->images, "For the first question; once for each picture")->take_all()->type_name("FILE");
  add_picture_options(*sub, args->picture);
  sub->add_option("--system", args->system, "A system text before the first turn");
  add_sampling(*sub, args->sampling);
  sub->add_option("--max-new-tokens", args->max_new_tokens, "Longest answer")->check(CLI::NonNegativeNumber)->capture_default_str();
  sub->add_option("--min-pixels", args->min_pixels, "Least area of a resized picture; 0: the model's")->check(CLI::NonNegativeNumber);
  sub->add_option("--max-pixels", args->max_pixels, "Greatest area of a resized picture; 0: the model's")->check(CLI::NonNegativeNumber);
  sub->add_option("--threads", args->threads, "0: all processors")->check(CLI::Range(0, 1024));
  sub->add_flag("--json", args->json, "A JSON object a line; {\"error\": ...} where a line could not be answered");
  sub->footer("medmo chat --model MedMO-4B-Next\n"
              "printf '/image chest.png\\nIs there a fracture?\\n' | medmo chat --model MedMO-4B-Next --json");
  sub->callback([args] {
    medmo::set_thread_count(args->threads);
    bool good = true;
    with_configuration(args->model, [&]<class C>(std::type_identity<C>) { good = conversation<C>(*args).run(); });
    if (!good) MEDMO_THROW(medmo::errc::bad_argument, "standard input", "lines that can be answered", "some that cannot, named above");
  });
}

}  // namespace command
