import pytest


@pytest.fixture
def model_file(tmp_path, monkeypatch):
    """Write the user's file; its name stands in the messages, so it is called from its folder."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "my_model.py").write_text(text)
        return "my_model.py"

    return write
