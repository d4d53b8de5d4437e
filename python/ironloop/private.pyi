gone_from_loop: list[str]
gone_from_vocabulary: list[str]
