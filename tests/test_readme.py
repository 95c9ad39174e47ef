"""What README and docs show is run."""

import contextlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

import pytest

from conflict_nlp import cli
from tests.conftest import ROOT
from training.annotations import strip

PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
SCRIPTS = sorted(
    path.stem
    for path in (ROOT / "training").glob("*.py")
    if "def main(" in path.read_text(encoding="utf-8")
)
SHELL = ("sh", "bash", "shell", "console")
# Beginnings of commands that change an environment: they are run in one of their own.
INSTALLS = ("pip install ", "make ")
# What each extra is for, run once it is installed; the later ones may hold the earlier ones.
NEEDS = {
    "": "conflict-nlp tag docs/examples/article-1.txt",
    "files": "conflict-nlp tag page.html --format parquet --output tags.parquet",
    "app": "python -c 'import gradio; from conflict_nlp import app'",
    "baseline": "conflict-nlp tag docs/examples/article-1.txt --model baseline",
    "torch": "python -c 'from conflict_nlp.predict import Tagger; "
    'print(Tagger.from_pretrained(backend="torch").predict(["Rockets hit the town."]))\'',
    "train": "python -m training.train_baseline --data training/corpus/heldout.jsonl "
    "--output runs/baseline",
}
SERVES = "conflict-nlp app"  # until it is stopped
# Packages that no extra brings: blocks that import them are run where they are there.
OPTIONAL = {"polars"}


def blocks(page):
    """Return language and content of a page's fenced blocks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.S | re.M)


def commands(language, block):
    """Return the commands of a block, each in one line and without comments."""
    lines = block.replace("\\\n", " ").splitlines()
    if language == "console":  # the others are what the commands print
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    return [line for line in (re.sub(r"(^|\s+)#.*", "", each).strip() for each in lines) if line]


def every_command():
    """Return each page with the commands of its blocks, and those within its sentences."""
    for page in PAGES:
        for language, block in blocks(page):
            for command in commands(language, block) if language in SHELL else []:
                yield page, " ".join(command.split())
        text = re.sub(
            r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.S | re.M
        )
        for code in re.findall(r"`((?:conflict-nlp|python -m|make|pip install)\b[^`]+)`", text):
            yield page, " ".join(code.split())


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of the repository in which training takes seconds: few articles, a tiny base."""
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    home = tmp_path_factory.mktemp("repository")
    for part in ("conflict_nlp", "models", "training", "docs"):
        shutil.copytree(ROOT / part, home / part, ignore=shutil.ignore_patterns("__pycache__"))
    corpus = home / "training" / "corpus"
    articles = (corpus / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    for path, some in {
        corpus / "train.jsonl": articles[:40],
        home / "train.jsonl": articles[:30],
        home / "unlabelled.jsonl": articles[30:40],
        home / "test.jsonl": articles[40:50],
    }.items():
        path.write_text("".join(some), encoding="utf-8")
    again = home / "training" / "annotations" / "again.jsonl"
    strip([home / "train.jsonl"], again)
    topics = ("the match ended\t0\n", "they won the cup\t1\n", "prices rose again\t2\n")
    for name in ("topics", "topics-dev", "topics-test"):
        rows = [f"{number} {row}" for number in range(20) for row in topics]
        (home / f"{name}.tsv").write_text("".join(rows))
    for task, labels in (("cameo_class", 1), ("satp_relevant", 4), ("IndiaPoliceEvents_sents", 5)):
        (home / task).mkdir()
        values = ["\t".join("01" * labels)[first : first + 2 * labels - 1] for first in (0, 2)]
        rows = [f"rockets hit town {number}\t{values[number % 2]}\n" for number in range(40)]
        for name in ("train", "dev", "test"):
            (home / task / f"{name}.tsv").write_text("".join(rows))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL))
    tokenizer = str(home / "models" / "minilm" / "tokenizer.json")
    PreTrainedTokenizerFast(tokenizer_file=tokenizer, **names).save_pretrained(home / "tiny")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    config = BertConfig(num_attention_heads=2, **sizes)
    BertForSequenceClassification(config).save_pretrained(home / "tiny")
    recipe = home / "training" / "configs" / "minilm.toml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(re.sub(r"^base = .*", f'base = "{home}/tiny"', text, flags=re.M))
    return home


def copy_or_link(source, target):
    """Large files, weights, are replaced whole and never changed: a link to them will do."""
    if Path(source).stat().st_size > 20_000_000:
        Path(target).hardlink_to(source)
    else:
        shutil.copy2(source, target)


@pytest.fixture
def place(repository, tmp_path, monkeypatch):
    """A folder with the files that the pages speak of, and with the commands on its PATH."""
    article = (ROOT / "docs" / "examples" / "article-1.txt").read_text(encoding="utf-8")
    shutil.copytree(repository, tmp_path, dirs_exist_ok=True, copy_function=copy_or_link)
    for folder in ("news", "corpora", "runs", "bin"):
        (tmp_path / folder).mkdir()
    for path, text in {
        "article.txt": article,
        "news/one.txt": article,
        "news/two.txt": "Rockets hit the town. Nobody was hurt.",
        "news.csv": "date,body\n2024-05-01,Gunmen killed two men.\n",
        "corpora/one.txt": article,
    }.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    for name, start in (("conflict-nlp", "-m conflict_nlp.cli"), ("python", "")):
        path = tmp_path / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {start} "$@"\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="the pages speak to a POSIX shell")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_what_a_page_shows_runs(page, place):
    """Commands and Python blocks are run as they stand, one after the other."""
    names = {}
    for language, block in blocks(page):
        assert language in (*SHELL, "python"), f"{page} has a block that no test runs: {language}"
        if language == "python":
            modules = re.findall(r"^(?:import|from) (\w+)", block, re.M)
            if any(m in OPTIONAL and not importlib.util.find_spec(m) for m in modules):
                compile(block, page, "exec")
                continue
            exec(block, names)
            check_comments(block, names)
            continue
        for command in commands(language, block):
            if " ".join(command.split()).startswith(INSTALLS):
                continue
            if command.startswith(SERVES):
                serve(command)
                continue
            options = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
            done = subprocess.run(["bash", "-c", command], **options)
            assert done.returncode == 0, (command, done.stderr[-2000:])
            output = re.search(r"--out(?:put)?[ =](\S+)", command)
            made = output and output[1]
            written = output and any((place / f"{made}{end}").exists() for end in ("", ".json"))
            assert written if output else done.stdout, command
    if page == "docs/quickstart.md":
        assert (place / "tags.csv").read_text().startswith('"article","index"')
        assert "<html" in (place / "page.html").read_text(encoding="utf-8")[:300]


# What sentences name is run in short, by these options behind the command.
SHORT = {
    "--from mpnet": " --from minilm --freeze-layers 4 --epochs 1",
    "--base sentence-transformers/all-mpnet-base-v2": " --base tiny --freeze-layers 0 --epochs 1",
    "training.benchmark_speed": " --rounds 1 --sentences 40",
    "training.benchmark_limits": " --stream 200 --longest 10000 --sentences 40",
}


@pytest.mark.long
def test_modules_named_in_sentences_run(place):
    setup = [
        "conflict-nlp review news/ --out sheet.csv",
        "python -m training.train_transformer --config training/configs/minilm.toml "
        "--data train.jsonl --output runs/minilm --epochs 1",
    ]
    shown = {c for _, c in every_command() if c.startswith("python -m training.")}
    within = sorted(shown - {c for p in PAGES for lang, b in blocks(p) for c in joined(lang, b)})
    assert len(within) >= 5
    for command in [*setup, *within]:
        short = next((options for name, options in SHORT.items() if f"{name} " in command), "")
        done = subprocess.run(["bash", "-c", command + short], capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr[-2000:])


def test_several_processes_train_as_the_page_says(place):
    assert "`accelerate launch -m training.train_transformer ...`" in text_of("docs/retraining.md")
    options = "--config training/configs/minilm.toml --data train.jsonl --output runs/a --epochs 1"
    launch = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"]
    module = ["-m", "training.train_transformer", *options.split()]
    done = subprocess.run([*launch, *module], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (place / "runs" / "a" / "training.json").exists()


def test_the_fuzzer_runs_as_the_page_says(place):
    pytest.importorskip("atheris", reason="no wheel for this system")
    shutil.copytree(ROOT / "tests", place / "tests")
    (command,) = re.findall("`(python tests/fuzz/[^`]+)`", text_of("docs/performance.md"))
    # Its peak of memory starts with that of the process that runs the tests: no limit here.
    short = command.replace("=1830 CORPUS_FOLDER", "=2 -rss_limit_mb=0 corpora")
    done = subprocess.run(["bash", "-c", short], capture_output=True, text=True)
    assert done.returncode == 0 and "Done" in done.stderr, done.stderr[-2000:]


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def joined(language, block):
    """Return the commands of a block as `every_command` writes them."""
    return [" ".join(each.split()) for each in commands(language, block)]


def serve(command):
    """Start a command that serves, ask for its page, and stop it."""
    pytest.importorskip("gradio")
    if "--port" not in command:
        command += " --port 0"  # the usual one may be taken, by a page that is tested beside this
    with subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, text=True) as server:
        try:
            address = re.search(r"http://\S+", server.stdout.readline())
            assert address, command
            with urllib.request.urlopen(address[0]) as answer:
                assert "conflict_nlp" in answer.read().decode()
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0


def check_comments(block, names):
    """Compare the values that comments promise, behind a line of code or below it."""
    pattern = r"^(.+?)  *# (\(.*\)|'.*')$|^(\S.*)\n# (\(.*\))$"
    for behind, value, above, below in re.findall(pattern, block, re.M):
        found = eval((behind or above).split(" = ")[-1], names)
        assert repr(getattr(found, "labels", found)) == (value or below), behind or above


def test_python_blocks_promise_values():
    shown = "".join(block for language, block in blocks("README.md") if language == "python")
    assert "# ('attack_event', 'casualty_report')" in shown


def help_of(words):
    """Return the help of a command, as the program prints it."""
    if words[0] == "python":
        main = importlib.import_module(words[2]).main
        words = words[3:]
    else:
        main, words = cli.main, words[1:]
    first = [word for word in words[:1] if re.fullmatch("[a-z]+", word)]  # a subcommand, if any
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        main([*first, "--help"])
    return shown.getvalue()


@pytest.mark.parametrize(("page", "command"), list(every_command()))
def test_every_option_and_file_of_a_command_exists(page, command):
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert all(re.search(rf"^{target}:", makefile, re.M) for target in words[1:])
        return
    if words[:2] == ["pip", "install"]:
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        for extras in re.findall(r"\[([\w,]+)\]", command):
            assert all(re.search(rf"^{extra} = \[", project, re.M) for extra in extras.split(","))
    elif words[0] in ("python", "conflict-nlp"):
        shown = help_of(words)
        for option in re.findall(r"\s(--[\w-]+)", command):
            assert re.search(rf"{option}\b(?!-)", shown), f"{option} is no option of {command}"
    for word in words:
        if word.startswith(("docs/", "training/", "models/", "constraints")):
            assert (ROOT / word).exists() or "--output docs/benchmark" in command, word


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_of_a_script_fits_a_screen_and_has_an_example(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = help_of(["python", "-m", f"training.{name}"])
    assert len(shown.splitlines()) <= 40 and f"Example: python -m training.{name} " in shown


def test_links_and_named_files_exist():
    for page in [*PAGES, *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]:
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)\)|src(?:set)?=\"([^\":]+)\"", text):
            target = "".join(target)
            assert ((ROOT / page).parent / target).exists(), (page, target)
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
            linked = (ROOT / page).parent / target if target else ROOT / page
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.M)
            anchors = [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings]
            assert anchor in anchors, (page, target, anchor)
        for module in re.findall(r"python -m (training\.\w+)", text):
            assert (ROOT / f"{module.replace('.', '/')}.py").exists(), (page, module)


def last_extra(command):
    """Return the place in NEEDS of what a `pip install` line brings."""
    return list(NEEDS).index(re.search(r'\.(?:\[(\w+)\])?"?$', command)[1] or "")


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="the pages speak to a POSIX shell")
def test_what_the_pages_install_does_what_it_is_for(tmp_path):
    """In a copy of the repository, with an environment that `make demo` makes there."""
    made = ("__pycache__", "dist", "runs", ".*_cache", ".git", ".venv", ".hypothesis")
    home = tmp_path / "clone"
    shutil.copytree(ROOT, home, ignore=shutil.ignore_patterns(*made))
    (home / "page.html").write_text("<html><body><p>Rockets hit the town.</p></body></html>")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {
        "PATH": f"{home}/.venv/bin{os.pathsep}{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "PIP_CONSTRAINT": str(home / "constraints.txt"),  # no index's torch with gigabytes of CUDA
        "PYTEST_ADDOPTS": "tests/test_metrics.py",  # for `make test`: not all tests within a test
    }

    def run(command):
        options = {"capture_output": True, "text": True, "cwd": home, "env": environment}
        done = subprocess.run(["bash", "-c", command], **options)
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    lines = dict.fromkeys(c for _, c in every_command() if c.startswith(INSTALLS))
    assert {c for c in lines if c.startswith("make")} == {"make demo", "make test"}
    assert "attack_event" in run("make demo")
    installs = sorted((c for c in lines if c.startswith("pip")), key=last_extra)
    assert {last_extra(command) for command in installs} == {*range(len(NEEDS))}
    run("pip uninstall -y conflict-nlp")
    for command in installs:
        run(command)
        run(list(NEEDS.values())[last_extra(command)])
    assert re.search(r"\d+ passed", run("make test"))


def test_the_wheel_tags_in_an_empty_place(tmp_path):
    """Built, installed into an empty environment, run in an empty folder."""
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    subprocess.run([home / "bin" / "pip", "install", "-q", wheel], check=True)
    text = (ROOT / "docs" / "examples" / "article-1.txt").read_text(encoding="utf-8")
    (tmp_path / "empty").mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    options = {"cwd": tmp_path / "empty", "env": environment, "capture_output": True, "text": True}
    command = [home / "bin" / "conflict-nlp", "tag", "-"]
    done = subprocess.run(command, input=text, encoding="utf-8", **options)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 31
    code = "import conflict_nlp as c, importlib.util as u; print(c.__file__, u.find_spec('torch'))"
    shown = subprocess.run([home / "bin" / "python", "-c", code], **options).stdout
    assert str(home) in shown and "None" in shown
    listed = subprocess.run([sys.executable, "-m", "zipfile", "-l", wheel], capture_output=True)
    names = [line.split()[0] for line in listed.stdout.decode().splitlines()[1:]]
    assert all(name.startswith(("conflict_nlp/", "conflict_nlp-")) for name in names)
    assert {"conflict_nlp/models/minilm/model.onnx", "conflict_nlp/report.css"} <= {*names}
