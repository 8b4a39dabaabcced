#include <string>
#include <vector>

#include "frame/command_line.h"
#include "frame/signals.h"

int main(int argc, char** argv) {
  bantam::cancel_on_signals();
  return bantam::run_command_line({argv + 1, argv + argc});
}
