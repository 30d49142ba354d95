"""The rules: each reads a recording and names one kind of mistake."""
