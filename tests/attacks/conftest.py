"""What attackers run into."""

from tests.flows.conftest import stage as stage
from tests.flows.conftest import staged as staged
