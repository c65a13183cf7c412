"""Stage I: a space in which rows of one label lie together, trained by the votes that Stage III counts."""

from hcdv.encoder.contrastive._encoder import ContrastiveEncoder
from hcdv.encoder.contrastive._recipe import Contrastive
from hcdv.encoder.contrastive._space import ContrastiveSpace

__all__ = ["Contrastive", "ContrastiveEncoder", "ContrastiveSpace"]
