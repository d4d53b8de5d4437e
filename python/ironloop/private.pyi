gone_from_loop: list[str]
gone_from_vocabulary: list[str]
obstacles: list[str]
VARIABLE: str

def is_wanted(native: bool | None = None) -> bool: ...
