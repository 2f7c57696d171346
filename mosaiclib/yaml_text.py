"""YAML as people write it in profiles, recipes and lists of classes: no name twice in one place, which YAML forbids.

PyYAML takes the last of two, so that a run or a value would be gone without a word.
"""

import yaml


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        if twice := [key for position, key in enumerate(keys) if key in keys[:position]]:
            raise yaml.YAMLError(f"'{twice[0]}' stands there twice, at line {node.start_mark.line + 1} or below")
        return super().construct_mapping(node, deep)


def load(text):
    """What a YAML text holds. Raises yaml.YAMLError where it is no YAML, has a name twice or is nested deeply."""
    try:
        return yaml.load(text, _Loader)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
