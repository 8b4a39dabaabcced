#include "pipeline/tokenizer_files.h"

#include <gtest/gtest.h>

#include "tests/pipeline/collected.h"

namespace bantam::test {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> vocabularies() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(BANTAM_TESTDATA "/vocabularies")) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::ranges::sort(folders);
  return folders;
}

TEST(TokenizerFiles, AreTheBytesThatTransformersSaves) {
  int compared = 0;
  for (const fs::path& folder : vocabularies()) {
    if (!fs::exists(folder / "transformers.json")) continue;
    SCOPED_TRACE(folder.filename());
    const Collected made(folder);
    EXPECT_FALSE(made.copied("tokenizer.json"));
    EXPECT_EQ(made.text("tokenizer.json"), read_text_file(folder / "transformers.json", 1 << 20));
    EXPECT_TRUE(made.noted("tokenizer.json is made from "));
    ++compared;
  }
  EXPECT_EQ(compared, 15);
}

TEST(TokenizerFiles, AreTheSameEveryTime) {
  for (const fs::path& folder : vocabularies()) {
    const Collected first(folder);
    const Collected second(folder);
    EXPECT_EQ(first.names(), second.names());
    EXPECT_EQ(first.notes, second.notes);
    for (const std::string& name : first.names()) EXPECT_EQ(first.text(name), second.text(name));
  }
}

TEST(TokenizerFiles, KeepAnAlbertModelsSegmentation) {
  const Collected made(BANTAM_TESTDATA "/vocabularies/albert");
  const auto tokenizer = made.json("tokenizer.json");
  EXPECT_EQ(tokenizer["model"]["type"], "Unigram");
  EXPECT_EQ(tokenizer["model"]["unk_id"], 1);
  int commas = 0;
  for (const auto& word : tokenizer["model"]["vocab"]) {
    const auto text = word[0].get<std::string>();
    const bool comma = text.size() > 1 && text.back() == ',' &&
                       std::isdigit(static_cast<unsigned char>(text[text.size() - 2]));
    EXPECT_EQ(comma, word[1].get<double>() < -100) << text;
    commas += comma ? 1 : 0;
  }
  EXPECT_GT(commas, 0);
  for (const auto& token : tokenizer["added_tokens"])
    EXPECT_TRUE(token["special"]) << token;  // and not "(" or "-"
  EXPECT_EQ(tokenizer["added_tokens"].size(), 5u);
}

TEST(TokenizerFiles, StayAsTheyAreWhereTheyAreComplete) {
  const Collected copied(BANTAM_TESTDATA "/fixtures/bert-text-classification-tokenizer");
  EXPECT_TRUE(copied.copied("tokenizer.json"));
  EXPECT_TRUE(copied.copied("tokenizer_config.json"));
  EXPECT_TRUE(copied.notes.empty());
}

TEST(TokenizerFiles, AreLeftOutWithANoteWhereThereIsNoVocabulary) {
  const TempFolder folder;
  folder.write("config.json", R"({"model_type": "bert"})");
  const Collected none(folder.path());
  EXPECT_TRUE(none.names().empty());
  EXPECT_TRUE(none.noted("no tokenizer files"));

  folder.write("vocab.txt", "[UNK]\na\n");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "BertJapaneseTokenizer"})");
  const Collected other(folder.path());
  EXPECT_FALSE(other.has("tokenizer.json"));
  EXPECT_TRUE(other.copied("tokenizer_config.json"));
  EXPECT_TRUE(other.noted("none can be made from vocab.txt for \"BertJapaneseTokenizer\""));
  EXPECT_TRUE(other.noted("save_pretrained"));
}

TEST(TokenizerFiles, NoteWhatCannotBeMade) {
  const TempFolder folder;
  folder.write("config.json", R"({"model_type": "xlm-roberta"})");
  // trainer_spec {model_type: BPE}, one piece
  folder.write("sentencepiece.bpe.model", std::string("\x0a\x03\x0a\x01"
                                                      "a\x12\x02\x18\x02",
                                                      9));
  const Collected bpe(folder.path());
  EXPECT_FALSE(bpe.has("tokenizer.json"));
  EXPECT_TRUE(bpe.noted("none can be made from sentencepiece.bpe.model"));
}

TEST(TokenizerFiles, NoteIdsThatTheModelDoesNotHave) {
  const TempFolder folder;
  write_bert(folder, R"({"model_type": "bert", "vocab_size": 8})");
  EXPECT_FALSE(Collected(folder.path()).noted("vocab_size"));
  folder.write("added_tokens.json", R"({"<new>": 8})");
  EXPECT_TRUE(Collected(folder.path()).noted("\"<new>\" has id 8, and the model's vocabulary ends at 7"));
}

TEST(TokenizerFiles, NoteCapitalsThatAreLowercasedByDefault) {
  const TempFolder folder;
  std::string words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (int i = 0; i < 200; ++i) words += "Word" + std::to_string(i) + "\n";
  folder.write("config.json", R"({"model_type": "bert"})");
  folder.write("vocab.txt", words);
  EXPECT_TRUE(Collected(folder.path()).noted("do_lower_case"));
  folder.write("tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_FALSE(Collected(folder.path()).noted("do_lower_case"));
}

TEST(TokenizerFiles, RefuseDamagedVocabularies) {
  const TempFolder folder;
  write_bert(folder);
  const auto error = [&](std::string_view words) {
    folder.write("vocab.txt", words);
    return error_of([&] { Collected c(folder.path()); });
  };
  EXPECT_TRUE(has_parts(error("[PAD]\n[CLS]\n[SEP]\na\n"), {"vocab.txt", "[UNK]"}));
  EXPECT_TRUE(has_parts(error(""), {"vocab.txt", "[UNK]"}));
  EXPECT_TRUE(has_parts(error("[UNK]\n\xc3\x28\n"), {"vocab.txt", "UTF-8", "byte 7"}));
  EXPECT_TRUE(has_parts(error("[UNK]\n\xed\xa0\x80\n"), {"vocab.txt", "UTF-8", "byte 7"}));
  EXPECT_TRUE(has_parts(error("version https://git-lfs.github.com/spec/v1\n"), {"vocab.txt", "Git-LFS"}));
  EXPECT_TRUE(has_parts(error(std::string(3'000'000, '\n')), {"vocab.txt", "more than 2000000 lines"}));
  folder.write("tokenizer_config.json", R"({"cls_token": null})");
  EXPECT_TRUE(has_parts(error("[UNK]\n"), {"vocab.txt", "cls_token"}));
}

TEST(TokenizerFiles, RefuseDamagedMerges) {
  const TempFolder folder;
  folder.write("config.json", R"({"model_type": "roberta"})");
  const auto error = [&](std::string_view vocabulary, std::string_view merges) {
    folder.write("vocab.json", vocabulary);
    folder.write("merges.txt", merges);
    return error_of([&] { Collected c(folder.path()); });
  };
  const char* words = R"({"a": 0, "b": 1, "ab": 2})";
  EXPECT_TRUE(
      has_parts(error(words, "#version: 0.2\na b\nb a\n"), {"merges.txt", "line 3", "\"ba\"", "vocabulary"}));
  EXPECT_TRUE(has_parts(error(words, "a b c\n"), {"merges.txt", "line 1", "two parts"}));
  EXPECT_TRUE(has_parts(error(words, "ab\n"), {"merges.txt", "line 1", "two parts"}));
  EXPECT_TRUE(has_parts(error(R"({"a": 0, "b": 0})", ""), {"vocab.json", "same id 0"}));
  EXPECT_TRUE(has_parts(error(R"({"a": -1})", ""), {"vocab.json", "\"a\"", "-1"}));
  EXPECT_TRUE(has_parts(error(R"({"a": 18446744073709551615})", ""), {"vocab.json", "\"a\""}));
  EXPECT_TRUE(has_parts(error(R"(["a"])", ""), {"vocab.json", "object"}));
  EXPECT_TRUE(has_parts(error(R"({"a": 0, "a": 1})", ""), {"vocab.json", "duplicate"}));
}

TEST(TokenizerFiles, TakeAMergeThatComesTwiceAtItsLastPlace) {
  const TempFolder folder;
  folder.write("config.json", R"({"model_type": "roberta"})");
  folder.write("vocab.json", R"({"a": 0, "b": 1, "ab": 2, "ba": 3})");
  folder.write("merges.txt", "a b\nb a\na b");
  const auto merges = Collected(folder.path()).json("tokenizer.json")["model"]["merges"];
  EXPECT_EQ(merges, nlohmann::json::parse(R"([["b", "a"], ["a", "b"]])"));
}

TEST(TokenizerFiles, MeetEveryDamageOfASentencepieceModelWithAnError) {
  for (const char* name : {"albert/spiece.model", "xlm-roberta/sentencepiece.bpe.model"}) {
    const TempFolder folder;
    const fs::path model = fs::path(BANTAM_TESTDATA "/vocabularies") / name;
    fs::copy_file(model.parent_path() / "config.json", folder / "config.json",
                  fs::copy_options::overwrite_existing);
    const std::string bytes = read_text_file(model, 1 << 20);
    const auto survives = [&](std::string_view damaged) {
      folder.write(model.filename().string(), damaged);
      try {
        const Collected made(folder.path());
        return made.has("tokenizer.json") && made.json("tokenizer.json").contains("model");
      } catch (const Error& error) {
        EXPECT_TRUE(has_parts(error.message(), {model.filename().string()}));
        return true;
      }
    };
    ASSERT_TRUE(survives(bytes));
    for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 16) {
      EXPECT_TRUE(survives(std::string_view(bytes).substr(0, size))) << size;
    }
    for (std::size_t at = 0; at < std::min<std::size_t>(bytes.size(), 400); at += 5) {
      for (const char value : {'\0', '\xff'}) {
        std::string damaged = bytes;
        damaged[at] = value;
        survives(damaged);
      }
    }
  }
}

TEST(TokenizerFiles, RefuseASentencepieceModelThatIsNotXlmRobertas) {
  const TempFolder folder;
  folder.write("config.json", R"({"model_type": "xlm-roberta"})");
  fs::copy_file(BANTAM_TESTDATA "/vocabularies/albert/spiece.model", folder / "sentencepiece.bpe.model");
  EXPECT_TRUE(has_parts(error_of([&] { Collected c(folder.path()); }),
                        {"sentencepiece.bpe.model", "<unk>, <s> and </s>"}));
}

TEST(TokenizerFiles, RefuseJsonThatBrowsersCannotParse) {
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "generation_config.json", "preprocessor_config.json", "processor_config.json"}) {
    for (const std::string_view text :
         {std::string_view("{\"a\": }"), std::string_view("<html>"), std::string_view(""),
          std::string_view("{}\0{}", 5), std::string_view("{} x"), std::string_view("{\"a\": NaN}"),
          std::string_view("version https://git-lfs.github.com/spec/v1")}) {
      const TempFolder folder;
      write_bert(folder);
      folder.write(name, text);
      EXPECT_TRUE(has_parts(error_of([&] { Collected c(folder.path()); }), {name})) << name << " " << text;
    }
  }
  const TempFolder folder;  // what no browser reads may hold anything
  write_bert(folder);
  folder.write("notes.json", "{\"loss\": NaN}");
  EXPECT_TRUE(Collected(folder.path()).copied("notes.json"));
}

TEST(GenerationConfig, NamesTheKeyThatIsWrong) {
  const TempFolder folder;
  write_bert(folder);
  folder.write("config.json", R"({"model_type": "bert", "vocab_size": 100})");
  const auto error = [&](std::string_view text) {
    folder.write("generation_config.json", text);
    return error_of([&] { Collected c(folder.path()); });
  };
  EXPECT_TRUE(has_parts(error("[]"), {"generation_config.json", "object"}));
  EXPECT_TRUE(
      has_parts(error(R"({"eos_token_id": 100})"), {"generation_config.json", "eos_token_id", "100 tokens"}));
  EXPECT_TRUE(has_parts(error(R"({"eos_token_id": [5, 18446744073709551615]})"), {"eos_token_id", "beyond"}));
  EXPECT_TRUE(has_parts(error(R"({"eos_token_id": []})"), {"eos_token_id", "empty"}));
  EXPECT_TRUE(has_parts(error(R"({"pad_token_id": "<pad>"})"), {"pad_token_id", "<pad>"}));
  EXPECT_TRUE(has_parts(error(R"({"bos_token_id": 1.5})"), {"bos_token_id", "1.5"}));
  EXPECT_TRUE(has_parts(error(R"({"max_length": 0})"), {"max_length", "0"}));
  EXPECT_TRUE(has_parts(error(R"({"max_new_tokens": -1})"), {"max_new_tokens", "-1"}));
  EXPECT_TRUE(has_parts(error(R"({"temperature": "hot"})"), {"temperature", "hot"}));
  for (const char* good :
       {R"({"eos_token_id": [1, 99], "pad_token_id": -1, "bos_token_id": null})",
        R"({"bos_token_id": 50256, "eos_token_id": 99})",
        R"({"temperature": 0.7, "top_k": 20, "max_length": 1024, "transformers_version": "5"})"}) {
    folder.write("generation_config.json", good);
    EXPECT_TRUE(Collected(folder.path()).copied("generation_config.json")) << good;
  }
}

TEST(TokenizerFiles, NameTheKeyThatIsWrong) {
  const TempFolder folder;
  write_bert(folder);
  const auto error = [&](std::string_view name, std::string_view text) {
    folder.write(name, text);
    std::string message = error_of([&] { Collected c(folder.path()); });
    fs::remove(folder / name);
    return message;
  };
  EXPECT_TRUE(has_parts(error("tokenizer_config.json", "[]"), {"tokenizer_config.json", "object"}));
  EXPECT_TRUE(has_parts(error("tokenizer_config.json", R"({"mask_token": 5})"),
                        {"tokenizer_config.json", "mask_token", "5"}));
  EXPECT_TRUE(has_parts(error("tokenizer_config.json", R"({"do_lower_case": "no"})"),
                        {"tokenizer_config.json", "do_lower_case"}));
  EXPECT_TRUE(has_parts(error("tokenizer_config.json", R"({"tokenizer_class": 1})"),
                        {"tokenizer_config.json", "tokenizer_class"}));
  EXPECT_TRUE(has_parts(error("tokenizer_config.json", R"({"added_tokens_decoder": {"x": "a"}})"),
                        {"tokenizer_config.json", "\"x\""}));
  EXPECT_TRUE(has_parts(error("tokenizer_config.json", R"({"mask_token": {"content": "a", "lstrip": 1}})"),
                        {"mask_token", "lstrip"}));
  EXPECT_TRUE(has_parts(error("special_tokens_map.json", R"({"pad_token": []})"),
                        {"special_tokens_map.json", "pad_token"}));
  EXPECT_TRUE(has_parts(error("added_tokens.json", R"({"<a>": -3})"), {"added_tokens.json", "<a>", "-3"}));
  EXPECT_TRUE(has_parts(error("sentence_bert_config.json", R"({"max_seq_length": 0})"),
                        {"sentence_bert_config.json", "max_seq_length"}));
}

}  // namespace
}  // namespace bantam::test
