"""What README and docs show is run."""

import os
import re
import shlex
import subprocess
import sys
import venv

import pytest

from tests.conftest import ROOT

PAGES = ["README.md", "docs/quickstart.md"]


def blocks(page, language):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


@pytest.mark.parametrize("page", PAGES)
def test_the_first_python_block_of_each_page_runs(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    names = {}
    exec(blocks(page, "python")[0], names)
    assert names["article"].sentences
    shown = re.findall(
        r"^(.+?)  *# (\(.*\)|'.*')$|^(\S.*)\n# (\(.*\))$", blocks(page, "python")[0], re.M
    )
    assert shown
    for one in shown:
        code, expected = one[0] or one[2], one[1] or one[3]
        value = eval(code.split(" = ")[-1], names)
        assert repr(getattr(value, "labels", value)) == expected, code


def test_every_command_of_the_quick_start_runs(tmp_path):
    text = (ROOT / "docs" / "examples" / "article-1.txt").read_text(encoding="utf-8")
    (tmp_path / "news").mkdir()
    (tmp_path / "article.txt").write_text(text, encoding="utf-8")
    (tmp_path / "news" / "one.txt").write_text("Rockets hit the town.", encoding="utf-8")
    (tmp_path / "news.csv").write_text("body\nGunmen killed two men.\n", encoding="utf-8")
    commands = [
        line.split("  #")[0].strip()
        for block in blocks("docs/quickstart.md", "sh")
        for line in block.splitlines()
        if line.startswith("conflict-nlp")
    ]
    assert len(commands) == 7
    program = f"{shlex.quote(sys.executable)} -m conflict_nlp.cli"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for command in commands:
        line = command.replace("conflict-nlp", program, 1)
        done = subprocess.run(
            line,
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout or "--output" in command, command
    assert (tmp_path / "tags.csv").read_text().startswith('"article","index"')
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")[:300]


def test_links_and_named_files_exist():
    for page in [*PAGES, *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]:
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert ((ROOT / page).parent / target).exists(), (page, target)
        for module in re.findall(r"python -m (training\.\w+)", text):
            assert (ROOT / f"{module.replace('.', '/')}.py").exists(), (page, module)


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
    assert "conflict_nlp/models/minilm/model.onnx" in names
