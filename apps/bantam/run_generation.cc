#include "run_generation.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "pipeline/generate/text_generator.h"

namespace bantam {
namespace {

std::string speed_note(const Generation& generation) {
  std::string note = fmt::format("read {} tokens at {:.0f}/s, wrote {}", generation.prompt_tokens,
                                 prefill_speed(generation), generation.tokens.size());
  if (const double speed = decode_speed(generation); speed > 0) note += fmt::format(" at {:.1f}/s", speed);
  switch (generation.reason) {
    case FinishReason::kLength:
      return note + "; --max-new-tokens ended it";
    case FinishReason::kContext:
      return note + "; the model's context is full";
    case FinishReason::kStop:
    case FinishReason::kCaller:
      return note;
  }
  BANTAM_ASSERT(false);
}

Answer to_answer(GeneratedText generated) {
  const Generation& generation = generated.generation;
  Answer answer;
  answer.tokens = generation.prompt_tokens;
  answer.value =
      Written{std::move(generated.prompt),          std::move(generated.text), generation.tokens,
              std::string(name(generation.reason)), prefill_speed(generation), decode_speed(generation)};
  return answer;
}

}  // namespace

void check(const GenerationRun& run) {
  const GenerationFlags& flags = run.generation;
  if (!flags.messages) return;
  if (run.questions.any()) fail_usage("run: give texts or --messages, not both");
  if (flags.system) fail_usage("run: --system: write the system message into the file of --messages");
}

void run_generation(const GenerationRun& run, const BundleModel& bundle, const Session& session,
                    const Console& console, RunResult& result) {
  const GenerationFlags& flags = run.generation;
  TextGenerator generator(bundle, session);
  const GenerationOptions options = generation_options(flags, generator.defaults());
  for (const std::string& note : generator.notes(options)) console.progress.note(note);
  const TextSink sink = [&](std::string_view piece) { return !run.stream || console.stream(piece); };
  if (flags.messages) {
    result.questions = {{{}, {}, flags.messages->string()}};
  } else {
    result.questions = questions_of(run.questions, bundle.task);
  }
  for (const Question& question : result.questions) {
    check_cancelled();
    GeneratedText generated = with_context(question.where, [&] {
      if (!flags.is_chat()) return generator.complete(question.text, options, sink);
      const ChatFile chat = flags.messages ? read_chat_file(*flags.messages)
                                           : ChatFile{chat_messages(flags.system, question.text), {}};
      return generator.answer(chat, options, sink);
    });
    if (run.stream) console.stream("\n");
    console.progress.note(speed_note(generated.generation));
    const bool gone = generated.generation.reason == FinishReason::kCaller;
    result.answers.push_back(to_answer(std::move(generated)));
    if (gone) return;
  }
}

}  // namespace bantam
