#!/usr/bin/env python3
"""`bantam run` on decoders: greedy text is PyTorch's, drawing repeats for a seed, conversations go through the chat
template, and what cannot be generated is refused in one line."""
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from bantam_cli import BANTAM, ROOT, run
from decoders import convert, put, write_checkpoint

TESTDATA = ROOT / "testdata"
SHARED = pathlib.Path(os.environ.get("BANTAM_SHARED", ROOT / "../shared"))
GOLDEN = json.loads((TESTDATA / "greedy-golden.json").read_text(encoding="utf-8"))
FOLDER = tempfile.TemporaryDirectory()
CHATML = (TESTDATA / "chat/chatml.jinja").read_text(encoding="utf-8")


@functools.lru_cache(maxsize=None)
def checkpoint():
    return write_checkpoint(pathlib.Path(FOLDER.name) / "tiny")


@functools.lru_cache(maxsize=None)
def bundle(template=None, generation=None):
    """The tiny decoder as a bundle, with a chat template or settings (as JSON text) of its own."""
    path = pathlib.Path(FOLDER.name) / f"bundle{bundle.cache_info().misses}"
    convert(checkpoint(), path, "fp32,q4f16")
    if template is not None:
        put(path / "chat_template.jinja", template.encode())
    if generation is not None:
        put(path / "generation_config.json", generation.encode())
    return path


@functools.lru_cache(maxsize=None)
def shared_bundle(source):
    return convert(SHARED / source.removeprefix("shared/"), pathlib.Path(FOLDER.name) / pathlib.Path(source).name, "fp32")


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def answers(self, path, *more, dtype="fp32"):
        result = run("run", path, "--dtype", dtype, "--json", "-t", "1", *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)["answers"]

    def answer(self, path, *more, **options):
        answers = self.answers(path, *more, **options)
        self.assertEqual(len(answers), 1)
        return answers[0]

    def refused(self, *arguments, parts, code=1):
        result = run("run", *arguments)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("bantam: "))
        for part in parts:
            self.assertIn(part, result.stderr)


class Greedy(Case):
    def test_text_and_tokens_are_those_of_pytorch(self):
        compared = 0
        for golden in GOLDEN:
            if golden["prompt"] is None or not (SHARED / golden["source"].removeprefix("shared/")).exists():
                continue
            with self.subTest(golden["source"], prompt=golden["prompt"]):
                path, text = shared_bundle(golden["source"]), f"--text={golden['prompt']}"
                answer = self.answer(path, text, "--max-new-tokens", "200")
                self.assertEqual(answer["generated_tokens"], golden["generated"])
                self.assertEqual(answer["generated_text"], golden["text"])
                self.assertEqual(answer["tokens"], len(golden["ids"]))
                self.assertEqual(answer["finish_reason"], "length" if len(golden["generated"]) == 200 else "stop")
                streamed = run("run", path, text, "--dtype", "fp32", "--max-new-tokens", "200", "-q")
                self.assertEqual((streamed.stdout, streamed.stderr), (golden["text"] + "\n", ""))
                compared += 1
        if compared == 0:
            print("left out: no shared models here")

    def test_ids_of_the_fixture_are_those_of_pytorch(self):
        golden = next(g for g in GOLDEN if g["source"] == "fixtures/qwen2-text-generation" and 2 not in g["ids"] + g["generated"])
        words = {i: word for word, i in json.loads((checkpoint() / "tokenizer.json").read_text())["model"]["vocab"].items()}
        self.assertTrue(all(i < 40 for i in golden["ids"] if i > 2), "one-letter tokens")
        text = "".join(words[i] for i in golden["ids"])
        answer = self.answer(bundle(), f"--text={text}", "--max-new-tokens", str(len(golden["generated"])))
        self.assertEqual(answer["tokens"], len(golden["ids"]))
        self.assertEqual(answer["generated_tokens"], golden["generated"])

    def test_stdout_is_text_and_stderr_the_speed(self):
        result = run("run", bundle(), "--text", "abc", "--max-new-tokens", "5", "--dtype", "fp32")
        self.assertRegex(result.stderr, r"\Abantam: note: read 3 tokens at \d+/s, wrote \d at [\d.]+/s; --max-new-tokens ended it\n\Z")
        answer = self.answer(bundle(), "--text", "abc", "--max-new-tokens", "5")
        self.assertEqual(result.stdout, answer["generated_text"] + "\n")
        self.assertEqual(answer["prompt"], "abc")
        self.assertGreater(answer["prefill_tokens_per_s"], 0)

    def test_several_texts_and_a_file_of_them(self):
        found = self.answers(bundle(), "--text=ab", "--text=cd", "--max-new-tokens", "4")
        self.assertEqual([answer["text"] for answer in found], ["ab", "cd"])
        (self.folder / "lines").write_text("ab\ncd\n")
        again = self.answers(bundle(), "--text-file", self.folder / "lines", "--max-new-tokens", "4")
        self.assertEqual([answer["generated_tokens"] for answer in again], [answer["generated_tokens"] for answer in found])

    def test_half_precision_caches_work(self):
        answer = self.answer(bundle(), "--text", "abcdef", "--max-new-tokens", "8", dtype="q4f16")
        self.assertEqual(len(answer["generated_tokens"]), 8)

    def test_streams_are_valid_utf8(self):
        # High temperature draws bytes of all kinds from this vocabulary.
        for seed in range(8):
            result = subprocess.run([BANTAM, "run", bundle(), "--dtype", "fp32", "--text", "ab", "--temperature", "50",
                                     "--seed", str(seed), "-q", "--max-new-tokens", "60"], capture_output=True)
            self.assertEqual(result.returncode, 0, result.stderr)
            result.stdout.decode("utf-8")

    def test_an_empty_text_begins_with_bos(self):
        self.assertEqual(self.answer(bundle(), "--text=", "--max-new-tokens", "2")["tokens"], 1)
        golden = next(g for g in GOLDEN if g["source"] == "fixtures/qwen2-text-generation" and g["ids"] == [1])
        self.assertEqual(self.answer(bundle(), "--text=", "--max-new-tokens", "2")["generated_tokens"], golden["generated"][:2])

    def test_a_full_context_ends_it(self):
        answer = self.answer(bundle(), "--text", "a" * 60, "--max-new-tokens", "30")
        self.assertEqual((answer["finish_reason"], len(answer["generated_tokens"])), ("context", 4))


class Settings(Case):
    def tokens(self, *more, path=None):
        return self.answer(path or bundle(), "--text", "hello", "--max-new-tokens", "30", *more)["generated_tokens"]

    def test_seeds_repeat(self):
        first = self.tokens("--temperature", "1", "--seed", "5")
        self.assertEqual(self.tokens("--temperature", "1", "--seed", "5"), first)
        self.assertNotEqual(self.tokens("--temperature", "1", "--seed", "6"), first)
        self.assertEqual(self.tokens("--top-k", "60", "--seed", "5"), self.tokens("--top-k", "60", "--seed", "5", "--temperature", "1"))

    def test_one_choice_is_greedy(self):
        greedy = self.tokens()
        self.assertEqual(self.tokens("--top-k", "1", "--seed", "9"), greedy)
        self.assertEqual(self.tokens("--top-p", "0.000001", "--seed", "9"), greedy)
        self.assertEqual(self.tokens("--temperature", "0"), greedy)

    def test_generation_config_is_read(self):
        greedy = self.tokens()
        penalized = self.tokens("--repetition-penalty", "5")
        self.assertNotEqual(penalized, greedy)
        path = bundle(generation=json.dumps({"eos_token_id": 66, "repetition_penalty": 5.0, "max_new_tokens": 7}))
        self.assertEqual(self.answer(path, "--text", "hello")["generated_tokens"], penalized[:7])
        self.assertEqual(self.answer(path, "--text", "hello", "--repetition-penalty", "1")["generated_tokens"], greedy[:7])
        stopped = self.answer(bundle(generation=json.dumps({"eos_token_id": [66, greedy[2]]})), "--text", "hello")
        self.assertEqual(stopped["generated_tokens"], greedy[:greedy.index(greedy[2]) + 1])
        self.assertEqual(stopped["finish_reason"], "stop")

    def test_ngrams_of_the_context_are_not_repeated(self):
        # What generate(input_ids=[10, 7, 14, 14, 17], no_repeat_ngram_size=..., eos_token_id=66) of transformers 5.24 writes.
        pytorch = {1: [58, 28, 1, 31, 6, 62, 34, 19, 4, 27, 2, 46, 45, 21, 59, 64, 13, 22, 42, 60, 18, 29, 65, 50, 44, 20, 52, 41, 24, 12],
                   2: [58, 28, 28, 1, 31, 31, 2, 2, 31, 7, 7, 31, 38, 62, 62, 18, 62, 32, 2, 42, 42, 62, 9, 31, 62, 4, 62, 60, 62, 33],
                   3: [58, 28, 28, 28, 1, 1, 1, 31, 31, 31, 7, 7, 7, 31, 31, 16, 16, 36, 36, 36, 32, 2, 31, 31, 1, 1, 21, 31, 31, 30]}
        for size, tokens in pytorch.items():
            path = bundle(generation=json.dumps({"eos_token_id": 66, "no_repeat_ngram_size": size}))
            self.assertEqual(self.tokens(path=path), tokens)
        path = bundle(generation=json.dumps({"eos_token_id": 66, "no_repeat_ngram_size": 2, "repetition_penalty": 1.3}))
        self.assertEqual(self.tokens(path=path), [58, 28, 28, 1, 31, 2, 2, 31, 31, 38, 36, 32, 2, 27, 62, 62, 18, 62, 32, 62, 9, 31, 62, 4, 4, 62, 60,
                                                  32, 52, 19])

    def test_settings_that_are_not_applied_are_noted(self):
        def notes(settings, *more):
            path = bundle(generation=json.dumps({"eos_token_id": 66} | settings))
            result = run("run", path, "--text", "ab", "--max-new-tokens", "1", "--dtype", "fp32", *more)
            self.assertEqual(result.returncode, 0, result.stderr)
            return [line for line in result.stderr.splitlines() if "not applied" in line]

        found = notes({"num_beams": 4, "suppress_tokens": [1], "min_p": 0.1, "bad_words_ids": [[3]], "forced_eos_token_id": 0})
        self.assertEqual(len(found), 1)
        self.assertIn("note: generation_config.json: num_beams, forced_eos_token_id, suppress_tokens, bad_words_ids: set and not applied here", found[0])
        self.assertNotIn("min_p", found[0])
        self.assertIn("generation_config.json: min_p: set", notes({"min_p": 0.1}, "--temperature", "1")[0])
        neutral = {"num_beams": 1, "suppress_tokens": [], "min_length": 0, "min_new_tokens": None, "typical_p": 1.0, "forced_bos_token_id": None,
                   "encoder_no_repeat_ngram_size": 2, "no_repeat_ngram_size": 0}
        self.assertEqual(notes(neutral, "--temperature", "1"), [])

    def test_broken_settings_are_named(self):
        for text, parts in (('{"eos_token_id": "2"}', ["generation_config.json", "eos_token_id", '"2"']),
                            ('{"eos_token_id": [1, -5]}', ["eos_token_id", "-5"]),
                            ('{"repetition_penalty": 0}', ["repetition_penalty"]), ('{"no_repeat_ngram_size": -1}', ["no_repeat_ngram_size", "-1"]),
                            ('{"max_new_tokens": "x"}', ["max_new_tokens"]), ("{", ["generation_config.json"])):
            self.refused(bundle(generation=text), "--text", "x", parts=parts)


class Chat(Case):
    def test_the_template_makes_the_prompt(self):
        path = bundle("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}a:{% endif %}")
        answer = self.answer(path, "--chat", "--text", "hi", "--max-new-tokens", "3")
        self.assertEqual(answer["prompt"], "user: hi\na:")
        self.assertEqual(answer["text"], "hi")
        answer = self.answer(path, "--system", "s", "--text", "hi", "--max-new-tokens", "3")
        self.assertEqual(answer["prompt"], "system: s\nuser: hi\na:")

    def test_special_tokens_of_the_template_are_not_added_again(self):
        path = bundle("{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}")
        self.assertEqual(self.answer(path, "--chat", "--text", "abc", "--max-new-tokens", "1")["tokens"], 4)

    def test_the_template_in_tokenizer_config_counts(self):
        path = bundle("x")
        (path / "chat_template.jinja").unlink()
        config = json.loads((path / "tokenizer_config.json").read_text())
        for stated in ("t {{ messages[0].content }}", [{"name": "tools", "template": "no"}, {"name": "default", "template": "t {{ messages[0].content }}"}]):
            put(path / "tokenizer_config.json", json.dumps(config | {"chat_template": stated}).encode())
            self.assertEqual(self.answer(path, "--chat", "--text", "abc", "--max-new-tokens", "1")["prompt"], "t abc")

    def test_conversations_come_from_a_file(self):
        path = bundle("{% for m in messages %}{{ m | tojson }}{% endfor %}{{ tools | tojson }}")
        file = self.folder / "chat.json"
        file.write_text('[{"role": "user", "z": 1, "content": "a", "b": null}]')
        self.assertEqual(self.answer(path, "--messages", file, "--max-new-tokens", "1")["prompt"], '{"role": "user", "z": 1, "content": "a"}null')
        file.write_text('{"tools": [{"z": 1, "a": "\\u00e9"}], "messages": [{"role": "user", "content": "a"}]}')
        self.assertEqual(self.answer(path, "--messages", file, "--max-new-tokens", "1")["prompt"], '{"role": "user", "content": "a"}[{"z": 1, "a": "\u00e9"}]')

    def test_broken_conversations_are_named(self):
        path, file = bundle(CHATML), self.folder / "chat.json"
        for text, parts in (("[]", ["chat.json", "a list of messages"]), ("{}", ["a list of messages"]), ("[1]", ["message 1", "role"]),
                            ('[{"content": "x"}]', ["message 1", "role"]), ('{"messages": [{"role": "user"}], "tools": 5}', ["tools"]),
                            ("[", ["chat.json"]), ('[{"role": "user", "role": "user"}]', ["chat.json"])):
            file.write_text(text)
            self.refused(path, "--messages", file, parts=["chat.json", *parts])
        file.write_bytes(b'[{"role": "user", "content": "\xff"}]')
        self.refused(path, "--messages", file, parts=["chat.json", "UTF-8"])
        self.refused(path, "--messages", self.folder / "none", parts=["none: cannot open"])

    def test_templates_that_cannot_be_used_are_named(self):
        loop = "{% for i in range(9999) %}"
        for template, parts in (("\n{{ raise_exception('No pigs!') }}", ["chat_template.jinja", "line 2", "No pigs!"]),
                                (loop * 3 + "{% set x = i %}" + "{% endfor %}" * 3, ["chat_template.jinja", "does not end"]),
                                ("{% if %}", ["chat_template.jinja", "line 1"]), ("{{ nothing.at.all }}", ["chat_template.jinja", "line 1"])):
            self.refused(bundle(template), "--chat", "--text", "x", parts=parts)
        self.refused(bundle(), "--chat", "--text", "x", parts=["no chat template", "without --chat"])
        path = bundle("y")
        (path / "chat_template.jinja").write_bytes(b"\xff")
        self.refused(path, "--chat", "--text", "x", parts=["chat_template.jinja", "UTF-8"])


class Refused(Case):
    def test_numbers_out_of_range(self):
        for option, value in (("--temperature", "-1"), ("--temperature", "nan"), ("--temperature", "inf"), ("--top-p", "0"), ("--top-p", "1.5"),
                              ("--top-p", "nan"), ("--top-k", "0"), ("--repetition-penalty", "0"), ("--repetition-penalty", "-2"),
                              ("--max-new-tokens", "0"), ("--seed", "-1")):
            with self.subTest(f"{option} {value}"):
                self.refused(bundle(), "--text", "x", option, value, code=2, parts=[option])
        self.refused(bundle(), "--text", "x", "--seed", "1", code=2, parts=["--seed", "--temperature"])
        self.refused(bundle(), "--text", "x", "--temperature", "0", "--top-k", "5", code=2, parts=["--temperature 0"])

    def test_options_that_do_not_go_together(self):
        self.refused(bundle(), code=2, parts=["no text", "text-generation takes --text TEXT"])
        self.refused(bundle(), "--text", "x", "--pair", "y", code=2, parts=["--pair"])
        self.refused(bundle(), "--text", "x", "--top", "3", code=2, parts=["--top"])
        self.refused(bundle(), "--messages", "f", "--text", "x", code=2, parts=["--messages", "not both"])
        self.refused(bundle(), "--messages", "f", "--system", "x", code=2, parts=["--system"])
        self.refused(bundle(), "--inputs", "f", "--temperature", "1", code=2, parts=["--temperature", "--inputs"])
        encoder = convert(TESTDATA / "sst2-bert-tiny", self.folder / "encoder", "q8")
        self.refused(encoder, "--text", "x", "--chat", code=2, parts=["--chat", "text-classification", "generates no text"])

    def test_prompts_that_cannot_be_read(self):
        self.refused(bundle(), "--text", "a" * 64, parts=["64 tokens", "the model takes 64"])
        self.refused(bundle(), b"--text=\xff", parts=["--text", "UTF-8"])
        self.refused(bundle(CHATML), "--chat", b"--text=\xff", parts=["--text", "UTF-8"])
        path = self.folder / "mute"
        shutil.copytree(bundle(), path)
        (path / "tokenizer.json").unlink()
        self.refused(path, "--text", "x", parts=["mute", "tokenizer.json"])

    def test_a_reader_that_goes_away_ends_it(self):
        process = subprocess.Popen([BANTAM, "run", bundle(), "--text", "ab", "--dtype", "fp32", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        self.assertNotEqual(process.wait(60), 0)
        process.stderr.close()


if __name__ == "__main__":
    unittest.main()
