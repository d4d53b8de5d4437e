"""pytest plugin: aiofastnet's tests are of the loop's own transports, in the place of aiofastnet's."""

import os

os.environ["NO_AIOFN"] = "1"
