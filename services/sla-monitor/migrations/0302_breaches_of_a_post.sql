-- Breaches that stand, for which one post is directly responsible, newest limit first.
CREATE INDEX obligation_breach_direct ON obligation (((direct -> 'post')::text), due DESC, id DESC) WHERE breached AND NOT annulled;
