#include "choices.h"

#include <string>

#include "convert/architecture.h"
#include "quantize/variant.h"

namespace bantam {

std::vector<Choice> dtype_choices() {
  std::vector<Choice> choices;
  for (const DtypeNameInfo& entry : dtype_names()) {
    choices.push_back({std::string(entry.name), std::string(entry.summary)});
  }
  return choices;
}

std::vector<Choice> task_choices() {
  std::vector<Choice> choices;
  for (const TaskInfo& entry : tasks()) choices.push_back({std::string(entry.name), ""});
  return choices;
}

}  // namespace bantam
