VARIABLE: str
obstacles: list[str]

def is_wanted(native: bool | None = None) -> bool: ...
