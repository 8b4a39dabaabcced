// Chat templates against what apply_chat_template of transformers made of the same conversations
// (tests/oracle/make_chat_cases.py), and templates that must not be waited for.
#include "calibrate/chat_template.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"

#if BANTAM_HAS_TOKENIZERS

namespace bantam {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::filesystem::path folder() {
  return std::filesystem::path(BANTAM_TESTDATA) / "chat";
}

// The date's weekday and day of the year by the C library.
std::tm time_of(const OrderedJson& now) {
  std::tm time{};
  time.tm_year = now[0].get<int>() - 1900;
  time.tm_mon = now[1].get<int>() - 1;
  time.tm_mday = now[2].get<int>();
  time.tm_hour = now[3].get<int>();
  time.tm_min = now[4].get<int>();
  time.tm_sec = now[5].get<int>();
  ::timegm(&time);
  return time;
}

std::string refusal(const std::string& source, const std::string& messages = "[]") {
  try {
    return "rendered: " + ChatTemplate(source).render({messages, "", "{}"}).substr(0, 100);
  } catch (const Error& error) {
    return error.message();
  }
}

TEST(ChatTemplate, RendersAsTransformersDoes) {
  const OrderedJson data = OrderedJson::parse(content_of(folder() / "cases.json"));
  std::size_t errors = 0;
  for (const OrderedJson& entry : data["cases"]) {
    const std::string name = entry["template"];
    const ChatTemplate chat(content_of(folder() / (name + ".jinja")));
    const ChatInputs inputs = {entry["messages"], entry["tools"], entry["variables"].dump(),
                               time_of(data["now"])};
    SCOPED_TRACE(name + " " + inputs.messages.substr(0, 300));
    try {
      const std::string text = chat.render(inputs);
      EXPECT_TRUE(entry.contains("text")) << "the template should have raised: " << entry["error"] << "\n"
                                          << text;
      if (entry.contains("text")) {
        EXPECT_EQ(text, entry["text"].get<std::string>());
      }
    } catch (const Error& error) {
      ++errors;
      EXPECT_TRUE(entry.contains("error")) << error.message();
      if (!entry.contains("error")) continue;
      const std::string raised = entry["error"];
      EXPECT_TRUE(error.message().starts_with("line ")) << error.message();
      const std::string ending = raised.empty() ? "" : "refuses the messages: " + raised;
      EXPECT_TRUE(error.message().ends_with(ending)) << error.message();
    }
  }
  EXPECT_GT(data["cases"].size(), 90u);
  EXPECT_GT(errors, 10u);
}

TEST(ChatTemplate, StopsOneThatDoesNotEnd) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string loop = "{% for i in range(9999) %}";
  const std::string end = "{% endfor %}";
  EXPECT_EQ(refusal("a\n" + loop + loop + loop + "{% set x = i %}" + end + end + end),
            "line 2: the template does not end: it was stopped after 4 million steps");
  for (const std::string body :
       {"{% set ns.x = ns.x ~ ns.x %}", "{% set ns.x = ns.x + ns.x %}", "{% set ns.x = ns.x * 1000 %}",
        "{% set ns.x = ns.x | replace('a', ns.x) %}", "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}",
        "{% set ns.x = ns.x.join([ns.x, ns.x, ns.x]) %}", "{% set ns.x = ns.x | tojson | tojson %}",
        "{% set ns.x = ns.x.replace('a', ns.x) %}", "{% set ns.x = ('a\n' ~ ns.x) | indent(999999) %}",
        "{% set ns.x = '%999999s' | format(ns.x) %}"}) {
    const std::string message = refusal("{% set ns = namespace(x='aa') %}" + loop + body + end);
    EXPECT_TRUE(message.find("does not end") != std::string::npos) << body << ": " << message;
  }
  // A list that the engine makes late, and all at once.
  const std::string late =
      refusal("{% set ns = namespace(x=[1]) %}" + loop + "{% set ns.x = ns.x + ns.x %}" + end);
  EXPECT_TRUE(late == "it needs more than 512 MiB of memory" || late == "it does not end within 20 s")
      << late;
  EXPECT_NE(refusal("{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}").find("recursion"),
            std::string::npos);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST(ChatTemplate, RefusesWhatItCannotRead) {
  EXPECT_TRUE(refusal("ok\n{% if %}").starts_with("line 2: ")) << refusal("ok\n{% if %}");
  EXPECT_TRUE(refusal("{{ x.y }}").starts_with("line 1: ")) << refusal("{{ x.y }}");
  EXPECT_TRUE(refusal("{% nonsense %}").starts_with("line 1: ")) << refusal("{% nonsense %}");
  EXPECT_TRUE(refusal("{{ x | nonsense }}").starts_with("line 1: ")) << refusal("{{ x | nonsense }}");
  EXPECT_NE(refusal("{{ strftime_now('%Q') }}").find("%Q"), std::string::npos);
  EXPECT_NE(refusal("{% include 'other' %}").find("line 1"), std::string::npos);
  EXPECT_TRUE(refusal(std::string(100000, '(').insert(0, "{{ ") + "}}").starts_with("line 1: "));
  EXPECT_TRUE(refusal("\xff").find("UTF-8") != std::string::npos) << refusal("\xff");
  EXPECT_EQ(refusal("", "[1]"), "message 1: an object was expected");
  EXPECT_EQ(refusal("", "{}"), "messages: a list was expected");
  EXPECT_TRUE(refusal("", "[{]").starts_with("messages: ")) << refusal("", "[{]");
  EXPECT_TRUE(refusal("", std::string(100000, '[')).starts_with("messages: "));
  EXPECT_NE(refusal("{{ {}|tojson(indent=100000) }}").find("indent"), std::string::npos);
}

}  // namespace
}  // namespace bantam

#endif
