// medmo: the command line of the library. `medmo --help` lists the subcommands, `medmo SUBCOMMAND --help` their options.
// Errors: one sentence on stderr that names file, place, expected and found; exit code 2.
#include <cstdio>
#include <exception>
#include <string>

#include "command.hpp"
#include "medmo/core/version.hpp"

int main(int argc, char** argv) {
  CLI::App app{"MedMO: medical vision-language models on the CPU. A research tool, not a medical device.", "medmo"};
  app.set_version_flag("--version", "medmo " + std::to_string(MEDMO_VERSION_MAJOR) + "." + std::to_string(MEDMO_VERSION_MINOR) + "." +
                                        std::to_string(MEDMO_VERSION_PATCH));
  app.footer("medmo SUBCOMMAND --help lists the options of one. Nothing is downloaded; medmo init makes a model to try it all with.");
  app.require_subcommand(1);
  command::add_ask(app);
  command::add_trace(app);
  command::add_chat(app);
  command::add_score(app);
  command::add_embed(app);
  command::add_evaluate(app);
  command::add_grpo(app);
  command::add_init(app);
  command::add_inspect(app);
  command::add_quantize(app);
  command::add_train(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (CLI::ParseError const& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    std::fprintf(stderr, "medmo: %s\n", e.what());
  } catch (std::exception const& e) {
    std::fprintf(stderr, "medmo: %s\n", e.what());
  }
  return 2;
}
