CREATE TABLE public.consent (
    seq bigint NOT NULL,
    kind character varying NOT NULL,
    name text NOT NULL,
    allowed boolean NOT NULL,
    at double precision NOT NULL
);
CREATE SEQUENCE public.consent_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.consent_seq_seq OWNED BY public.consent.seq;
CREATE TABLE public.exchange (
    seq bigint NOT NULL,
    id character varying NOT NULL,
    client character varying NOT NULL,
    chat character varying,
    model text,
    at double precision NOT NULL,
    value text NOT NULL
);
CREATE SEQUENCE public.exchange_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.exchange_seq_seq OWNED BY public.exchange.seq;
CREATE TABLE public.handed_out (
    seq bigint NOT NULL,
    kind character varying NOT NULL,
    "where" text NOT NULL,
    at double precision NOT NULL,
    trajectories text NOT NULL
);
CREATE SEQUENCE public.handed_out_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.handed_out_seq_seq OWNED BY public.handed_out.seq;
CREATE TABLE public.last_commit (
    session character varying NOT NULL,
    signature character varying NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE TABLE public.meta (
    key character varying NOT NULL,
    value character varying NOT NULL
);
CREATE TABLE public.node (
    seq bigint NOT NULL,
    id character varying(32) NOT NULL,
    parent character varying(32),
    "offset" integer NOT NULL,
    token_ids bytea NOT NULL,
    tokenizer character varying NOT NULL
);
CREATE SEQUENCE public.node_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.node_seq_seq OWNED BY public.node.seq;
CREATE TABLE public.rejected (
    seq bigint NOT NULL,
    steer character varying NOT NULL,
    trajectory character varying NOT NULL,
    end_node character varying NOT NULL,
    end_depth integer NOT NULL,
    origin character varying NOT NULL,
    shown integer
);
CREATE SEQUENCE public.rejected_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.rejected_seq_seq OWNED BY public.rejected.seq;
CREATE TABLE public.review (
    seq bigint NOT NULL,
    id character varying NOT NULL,
    client character varying NOT NULL,
    model text,
    at double precision NOT NULL,
    kind character varying NOT NULL,
    certain boolean NOT NULL,
    why text NOT NULL,
    value text NOT NULL
);
CREATE SEQUENCE public.review_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.review_seq_seq OWNED BY public.review.seq;
CREATE TABLE public.review_state (
    seq bigint NOT NULL,
    review character varying NOT NULL,
    state character varying NOT NULL,
    by text,
    at double precision NOT NULL,
    trajectory character varying
);
CREATE SEQUENCE public.review_state_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.review_state_seq_seq OWNED BY public.review_state.seq;
CREATE TABLE public.steer (
    seq bigint NOT NULL,
    id character varying NOT NULL,
    trajectory character varying NOT NULL,
    kind character varying NOT NULL,
    fork_node character varying NOT NULL,
    fork_depth integer NOT NULL,
    chosen_node character varying,
    chosen_depth integer,
    reason text,
    annotator text,
    weight double precision NOT NULL,
    shown integer,
    received integer,
    started double precision,
    created double precision,
    state character varying NOT NULL
);
CREATE SEQUENCE public.steer_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.steer_seq_seq OWNED BY public.steer.seq;
CREATE TABLE public.steer_state (
    seq bigint NOT NULL,
    steer character varying NOT NULL,
    state character varying NOT NULL,
    by text,
    at double precision NOT NULL
);
CREATE SEQUENCE public.steer_state_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.steer_state_seq_seq OWNED BY public.steer_state.seq;
CREATE TABLE public.tombstone (
    seq bigint NOT NULL,
    kind character varying NOT NULL,
    id character varying NOT NULL,
    at double precision NOT NULL,
    why text
);
CREATE SEQUENCE public.tombstone_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tombstone_seq_seq OWNED BY public.tombstone.seq;
CREATE TABLE public.trajectory (
    seq bigint NOT NULL,
    id character varying NOT NULL,
    messages text NOT NULL,
    model_name text,
    model_weights character varying,
    tokenizer character varying NOT NULL,
    template character varying,
    sampler text NOT NULL,
    annotator text,
    source text NOT NULL,
    source_text text,
    "group" text,
    split text,
    created double precision,
    teaches character varying DEFAULT 'steers'::character varying NOT NULL
);
CREATE SEQUENCE public.trajectory_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trajectory_seq_seq OWNED BY public.trajectory.seq;
CREATE TABLE public.trajectory_state (
    seq bigint NOT NULL,
    trajectory character varying NOT NULL,
    head_node character varying NOT NULL,
    head_depth integer NOT NULL,
    status character varying NOT NULL,
    at double precision NOT NULL
);
CREATE SEQUENCE public.trajectory_state_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trajectory_state_seq_seq OWNED BY public.trajectory_state.seq;
CREATE TABLE public.use (
    seq bigint NOT NULL,
    trajectory character varying NOT NULL,
    node character varying(32) NOT NULL,
    author character varying NOT NULL,
    logprobs bytea
);
CREATE SEQUENCE public.use_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.use_seq_seq OWNED BY public.use.seq;
ALTER TABLE ONLY public.consent ALTER COLUMN seq SET DEFAULT nextval('public.consent_seq_seq'::regclass);
ALTER TABLE ONLY public.exchange ALTER COLUMN seq SET DEFAULT nextval('public.exchange_seq_seq'::regclass);
ALTER TABLE ONLY public.handed_out ALTER COLUMN seq SET DEFAULT nextval('public.handed_out_seq_seq'::regclass);
ALTER TABLE ONLY public.node ALTER COLUMN seq SET DEFAULT nextval('public.node_seq_seq'::regclass);
ALTER TABLE ONLY public.rejected ALTER COLUMN seq SET DEFAULT nextval('public.rejected_seq_seq'::regclass);
ALTER TABLE ONLY public.review ALTER COLUMN seq SET DEFAULT nextval('public.review_seq_seq'::regclass);
ALTER TABLE ONLY public.review_state ALTER COLUMN seq SET DEFAULT nextval('public.review_state_seq_seq'::regclass);
ALTER TABLE ONLY public.steer ALTER COLUMN seq SET DEFAULT nextval('public.steer_seq_seq'::regclass);
ALTER TABLE ONLY public.steer_state ALTER COLUMN seq SET DEFAULT nextval('public.steer_state_seq_seq'::regclass);
ALTER TABLE ONLY public.tombstone ALTER COLUMN seq SET DEFAULT nextval('public.tombstone_seq_seq'::regclass);
ALTER TABLE ONLY public.trajectory ALTER COLUMN seq SET DEFAULT nextval('public.trajectory_seq_seq'::regclass);
ALTER TABLE ONLY public.trajectory_state ALTER COLUMN seq SET DEFAULT nextval('public.trajectory_state_seq_seq'::regclass);
ALTER TABLE ONLY public.use ALTER COLUMN seq SET DEFAULT nextval('public.use_seq_seq'::regclass);
INSERT INTO public.last_commit VALUES ('abaf763e08994928aabc71a829ff9709', '0425aa1703914c8688d1d4f51a14567a', '2026-11-26 18:11:01.696999+00');
INSERT INTO public.meta VALUES ('format', 'midcourse');
INSERT INTO public.meta VALUES ('schema', '5');
INSERT INTO public.meta VALUES ('since', '0.1.0');
INSERT INTO public.node VALUES (1, 'e7d750e3f07299a5ff7d8fd92a166711', NULL, 0, '\x010000000200000003000000', 'tok');
INSERT INTO public.node VALUES (2, '94eef79b75d7a01d82148320a4ce1d52', 'e7d750e3f07299a5ff7d8fd92a166711', 3, '\x0a0000000b0000000c00000000000000', 'tok');
INSERT INTO public.node VALUES (3, '85dc5ba874dfc9c4d460315edacf4d3c', '94eef79b75d7a01d82148320a4ce1d52', 2, '\x1400000000000000', 'tok');
INSERT INTO public.node VALUES (4, '725ab3897091150e84290be694d2855f', '85dc5ba874dfc9c4d460315edacf4d3c', 2, '\x0a0000000b0000000c00000001000000', 'tok');
INSERT INTO public.node VALUES (5, '42e2e1fb33b5367ff534181a4949b894', '725ab3897091150e84290be694d2855f', 2, '\x1400000001000000', 'tok');
INSERT INTO public.node VALUES (6, '9f8757b79b3745c1c44ca81eeacd21e7', '42e2e1fb33b5367ff534181a4949b894', 2, '\x0a0000000b0000000c00000002000000', 'tok');
INSERT INTO public.node VALUES (7, 'eadeea582d214acd44902f62904a1e03', '9f8757b79b3745c1c44ca81eeacd21e7', 2, '\x1400000002000000', 'tok');
INSERT INTO public.node VALUES (8, '7c9a8ff85a78da8ae08923321fb74322', NULL, 0, '\x070000000200000003000000', 'tok');
INSERT INTO public.node VALUES (9, '2a389dd632da05c329606e1eaa7232b1', '7c9a8ff85a78da8ae08923321fb74322', 3, '\x0a0000000b0000000c00000000000000', 'tok');
INSERT INTO public.node VALUES (10, '45860ad0280ebe27311457de9c46ac2b', '2a389dd632da05c329606e1eaa7232b1', 2, '\x1400000000000000', 'tok');
INSERT INTO public.node VALUES (11, '7af758bcdc14d599df4dec281993902c', '45860ad0280ebe27311457de9c46ac2b', 2, '\x0a0000000b0000000c00000001000000', 'tok');
INSERT INTO public.node VALUES (12, '3b990a2a0371c2df2d0f80d627c61956', '7af758bcdc14d599df4dec281993902c', 2, '\x1400000001000000', 'tok');
INSERT INTO public.rejected VALUES (1, 'a-0', 'a', '94eef79b75d7a01d82148320a4ce1d52', 7, 'shown', NULL);
INSERT INTO public.rejected VALUES (2, 'a-1', 'a', '725ab3897091150e84290be694d2855f', 11, 'shown', NULL);
INSERT INTO public.rejected VALUES (3, 'a-2', 'a', '9f8757b79b3745c1c44ca81eeacd21e7', 15, 'shown', NULL);
INSERT INTO public.rejected VALUES (4, 'b-0', 'b', '2a389dd632da05c329606e1eaa7232b1', 7, 'shown', NULL);
INSERT INTO public.rejected VALUES (5, 'b-1', 'b', '7af758bcdc14d599df4dec281993902c', 11, 'shown', NULL);
INSERT INTO public.steer VALUES (1, 'a-0', 'a', 'typed', '94eef79b75d7a01d82148320a4ce1d52', 5, '85dc5ba874dfc9c4d460315edacf4d3c', 7, NULL, 'ann', 1, NULL, NULL, NULL, NULL, 'active');
INSERT INTO public.steer VALUES (2, 'a-1', 'a', 'typed', '725ab3897091150e84290be694d2855f', 9, '42e2e1fb33b5367ff534181a4949b894', 11, NULL, 'ann', 1, NULL, NULL, NULL, NULL, 'active');
INSERT INTO public.steer VALUES (3, 'a-2', 'a', 'typed', '9f8757b79b3745c1c44ca81eeacd21e7', 13, 'eadeea582d214acd44902f62904a1e03', 15, NULL, 'ann', 1, NULL, NULL, NULL, NULL, 'active');
INSERT INTO public.steer VALUES (4, 'b-0', 'b', 'typed', '2a389dd632da05c329606e1eaa7232b1', 5, '45860ad0280ebe27311457de9c46ac2b', 7, NULL, 'ann', 1, NULL, NULL, NULL, NULL, 'active');
INSERT INTO public.steer VALUES (5, 'b-1', 'b', 'typed', '7af758bcdc14d599df4dec281993902c', 9, '3b990a2a0371c2df2d0f80d627c61956', 11, NULL, 'ann', 1, NULL, NULL, NULL, NULL, 'active');
INSERT INTO public.steer_state VALUES (1, 'a-1', 'withdrawn', 'ann', 1795716661.6794767);
INSERT INTO public.steer_state VALUES (2, 'b-0', 'approved', 'rev', 1795716661.691784);
INSERT INTO public.trajectory VALUES (1, 'a', '[]', NULL, NULL, 'tok', NULL, '{}', 'ann', 'x', NULL, NULL, NULL, NULL, 'steers');
INSERT INTO public.trajectory VALUES (2, 'b', '[]', NULL, NULL, 'tok', NULL, '{}', NULL, 'unknown', NULL, 'g', 'dev', NULL, 'steers');
INSERT INTO public.trajectory_state VALUES (1, 'a', 'eadeea582d214acd44902f62904a1e03', 15, 'open', 1795716661.6131582);
INSERT INTO public.trajectory_state VALUES (2, 'b', '3b990a2a0371c2df2d0f80d627c61956', 11, 'open', 1795716661.6649044);
INSERT INTO public.trajectory_state VALUES (3, 'a', 'eadeea582d214acd44902f62904a1e03', 15, 'accepted', 1795716661.7130475);
INSERT INTO public.use VALUES (1, 'a', 'e7d750e3f07299a5ff7d8fd92a166711', 'prompt', NULL);
INSERT INTO public.use VALUES (2, 'a', '94eef79b75d7a01d82148320a4ce1d52', 'model', '\x9a9999999999b9bf555555555555d5bf00000000000000c00000000000000000');
INSERT INTO public.use VALUES (3, 'a', '85dc5ba874dfc9c4d460315edacf4d3c', 'person', NULL);
INSERT INTO public.use VALUES (4, 'a', '725ab3897091150e84290be694d2855f', 'model', '\x9a9999999999b9bf555555555555d5bf00000000000000c0000000000000f0bf');
INSERT INTO public.use VALUES (5, 'a', '42e2e1fb33b5367ff534181a4949b894', 'person', NULL);
INSERT INTO public.use VALUES (6, 'a', '9f8757b79b3745c1c44ca81eeacd21e7', 'model', '\x9a9999999999b9bf555555555555d5bf00000000000000c000000000000000c0');
INSERT INTO public.use VALUES (7, 'a', 'eadeea582d214acd44902f62904a1e03', 'person', NULL);
INSERT INTO public.use VALUES (8, 'b', '7c9a8ff85a78da8ae08923321fb74322', 'prompt', NULL);
INSERT INTO public.use VALUES (9, 'b', '2a389dd632da05c329606e1eaa7232b1', 'model', '\x9a9999999999b9bf555555555555d5bf00000000000000c00000000000000000');
INSERT INTO public.use VALUES (10, 'b', '45860ad0280ebe27311457de9c46ac2b', 'person', NULL);
INSERT INTO public.use VALUES (11, 'b', '7af758bcdc14d599df4dec281993902c', 'model', '\x9a9999999999b9bf555555555555d5bf00000000000000c0000000000000f0bf');
INSERT INTO public.use VALUES (12, 'b', '3b990a2a0371c2df2d0f80d627c61956', 'person', NULL);
SELECT pg_catalog.setval('public.consent_seq_seq', 1, false);
SELECT pg_catalog.setval('public.exchange_seq_seq', 1, false);
SELECT pg_catalog.setval('public.handed_out_seq_seq', 1, false);
SELECT pg_catalog.setval('public.node_seq_seq', 12, true);
SELECT pg_catalog.setval('public.rejected_seq_seq', 5, true);
SELECT pg_catalog.setval('public.review_seq_seq', 1, false);
SELECT pg_catalog.setval('public.review_state_seq_seq', 1, false);
SELECT pg_catalog.setval('public.steer_seq_seq', 5, true);
SELECT pg_catalog.setval('public.steer_state_seq_seq', 2, true);
SELECT pg_catalog.setval('public.tombstone_seq_seq', 1, false);
SELECT pg_catalog.setval('public.trajectory_seq_seq', 2, true);
SELECT pg_catalog.setval('public.trajectory_state_seq_seq', 3, true);
SELECT pg_catalog.setval('public.use_seq_seq', 12, true);
ALTER TABLE ONLY public.consent
    ADD CONSTRAINT consent_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.exchange
    ADD CONSTRAINT exchange_id_key UNIQUE (id);
ALTER TABLE ONLY public.exchange
    ADD CONSTRAINT exchange_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.handed_out
    ADD CONSTRAINT handed_out_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.last_commit
    ADD CONSTRAINT last_commit_pkey PRIMARY KEY (session);
ALTER TABLE ONLY public.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.node
    ADD CONSTRAINT node_id_key UNIQUE (id);
ALTER TABLE ONLY public.node
    ADD CONSTRAINT node_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.rejected
    ADD CONSTRAINT rejected_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.review
    ADD CONSTRAINT review_id_key UNIQUE (id);
ALTER TABLE ONLY public.review
    ADD CONSTRAINT review_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.review_state
    ADD CONSTRAINT review_state_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.steer
    ADD CONSTRAINT steer_id_key UNIQUE (id);
ALTER TABLE ONLY public.steer
    ADD CONSTRAINT steer_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.steer_state
    ADD CONSTRAINT steer_state_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.tombstone
    ADD CONSTRAINT tombstone_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.trajectory
    ADD CONSTRAINT trajectory_id_key UNIQUE (id);
ALTER TABLE ONLY public.trajectory
    ADD CONSTRAINT trajectory_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.trajectory_state
    ADD CONSTRAINT trajectory_state_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.use
    ADD CONSTRAINT use_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.use
    ADD CONSTRAINT use_trajectory_node_key UNIQUE (trajectory, node);
CREATE INDEX ix_exchange_at ON public.exchange USING btree (at);
CREATE INDEX ix_exchange_client ON public.exchange USING btree (client);
CREATE INDEX ix_node_parent ON public.node USING btree (parent);
CREATE INDEX ix_rejected_steer ON public.rejected USING btree (steer);
CREATE INDEX ix_rejected_trajectory ON public.rejected USING btree (trajectory);
CREATE INDEX ix_review_client ON public.review USING btree (client);
CREATE INDEX ix_review_state_review ON public.review_state USING btree (review);
CREATE INDEX ix_steer_state_steer ON public.steer_state USING btree (steer);
CREATE INDEX ix_steer_trajectory ON public.steer USING btree (trajectory);
CREATE INDEX ix_tombstone_id ON public.tombstone USING btree (id);
CREATE INDEX ix_trajectory_state_trajectory ON public.trajectory_state USING btree (trajectory);
CREATE INDEX ix_use_node ON public.use USING btree (node);
ALTER TABLE ONLY public.node
    ADD CONSTRAINT node_parent_fkey FOREIGN KEY (parent) REFERENCES public.node(id);
ALTER TABLE ONLY public.rejected
    ADD CONSTRAINT rejected_steer_fkey FOREIGN KEY (steer) REFERENCES public.steer(id);
ALTER TABLE ONLY public.rejected
    ADD CONSTRAINT rejected_trajectory_end_node_fkey FOREIGN KEY (trajectory, end_node) REFERENCES public.use(trajectory, node);
ALTER TABLE ONLY public.review_state
    ADD CONSTRAINT review_state_review_fkey FOREIGN KEY (review) REFERENCES public.review(id);
ALTER TABLE ONLY public.steer_state
    ADD CONSTRAINT steer_state_steer_fkey FOREIGN KEY (steer) REFERENCES public.steer(id);
ALTER TABLE ONLY public.steer
    ADD CONSTRAINT steer_trajectory_chosen_node_fkey FOREIGN KEY (trajectory, chosen_node) REFERENCES public.use(trajectory, node);
ALTER TABLE ONLY public.steer
    ADD CONSTRAINT steer_trajectory_fkey FOREIGN KEY (trajectory) REFERENCES public.trajectory(id);
ALTER TABLE ONLY public.steer
    ADD CONSTRAINT steer_trajectory_fork_node_fkey FOREIGN KEY (trajectory, fork_node) REFERENCES public.use(trajectory, node);
ALTER TABLE ONLY public.trajectory_state
    ADD CONSTRAINT trajectory_state_trajectory_fkey FOREIGN KEY (trajectory) REFERENCES public.trajectory(id);
ALTER TABLE ONLY public.trajectory_state
    ADD CONSTRAINT trajectory_state_trajectory_head_node_fkey FOREIGN KEY (trajectory, head_node) REFERENCES public.use(trajectory, node);
ALTER TABLE ONLY public.use
    ADD CONSTRAINT use_node_fkey FOREIGN KEY (node) REFERENCES public.node(id);
ALTER TABLE ONLY public.use
    ADD CONSTRAINT use_trajectory_fkey FOREIGN KEY (trajectory) REFERENCES public.trajectory(id);
