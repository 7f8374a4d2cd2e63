BEGIN TRANSACTION;
CREATE TABLE consent (
	seq INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	name TEXT NOT NULL, 
	allowed BOOLEAN NOT NULL, 
	at DOUBLE NOT NULL, 
	PRIMARY KEY (seq)
);
CREATE TABLE exchange (
	seq INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	client VARCHAR NOT NULL, 
	chat VARCHAR, 
	model TEXT, 
	at DOUBLE NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE TABLE handed_out (
	seq INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	"where" TEXT NOT NULL, 
	at DOUBLE NOT NULL, 
	trajectories TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('format','midcourse');
INSERT INTO "meta" VALUES('schema','5');
INSERT INTO "meta" VALUES('since','0.1.0');
CREATE TABLE node (
	seq INTEGER NOT NULL, 
	id VARCHAR(32) NOT NULL, 
	parent VARCHAR(32), 
	"offset" INTEGER NOT NULL, 
	token_ids BLOB NOT NULL, 
	tokenizer VARCHAR NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id), 
	FOREIGN KEY(parent) REFERENCES node (id)
);
INSERT INTO "node" VALUES(1,'e7d750e3f07299a5ff7d8fd92a166711',NULL,0,X'010000000200000003000000','tok');
INSERT INTO "node" VALUES(2,'94eef79b75d7a01d82148320a4ce1d52','e7d750e3f07299a5ff7d8fd92a166711',3,X'0A0000000B0000000C00000000000000','tok');
INSERT INTO "node" VALUES(3,'85dc5ba874dfc9c4d460315edacf4d3c','94eef79b75d7a01d82148320a4ce1d52',2,X'1400000000000000','tok');
INSERT INTO "node" VALUES(4,'725ab3897091150e84290be694d2855f','85dc5ba874dfc9c4d460315edacf4d3c',2,X'0A0000000B0000000C00000001000000','tok');
INSERT INTO "node" VALUES(5,'42e2e1fb33b5367ff534181a4949b894','725ab3897091150e84290be694d2855f',2,X'1400000001000000','tok');
INSERT INTO "node" VALUES(6,'9f8757b79b3745c1c44ca81eeacd21e7','42e2e1fb33b5367ff534181a4949b894',2,X'0A0000000B0000000C00000002000000','tok');
INSERT INTO "node" VALUES(7,'eadeea582d214acd44902f62904a1e03','9f8757b79b3745c1c44ca81eeacd21e7',2,X'1400000002000000','tok');
INSERT INTO "node" VALUES(8,'7c9a8ff85a78da8ae08923321fb74322',NULL,0,X'070000000200000003000000','tok');
INSERT INTO "node" VALUES(9,'2a389dd632da05c329606e1eaa7232b1','7c9a8ff85a78da8ae08923321fb74322',3,X'0A0000000B0000000C00000000000000','tok');
INSERT INTO "node" VALUES(10,'45860ad0280ebe27311457de9c46ac2b','2a389dd632da05c329606e1eaa7232b1',2,X'1400000000000000','tok');
INSERT INTO "node" VALUES(11,'7af758bcdc14d599df4dec281993902c','45860ad0280ebe27311457de9c46ac2b',2,X'0A0000000B0000000C00000001000000','tok');
INSERT INTO "node" VALUES(12,'3b990a2a0371c2df2d0f80d627c61956','7af758bcdc14d599df4dec281993902c',2,X'1400000001000000','tok');
CREATE TABLE rejected (
	seq INTEGER NOT NULL, 
	steer VARCHAR NOT NULL, 
	trajectory VARCHAR NOT NULL, 
	end_node VARCHAR NOT NULL, 
	end_depth INTEGER NOT NULL, 
	origin VARCHAR NOT NULL, 
	shown INTEGER, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(trajectory, end_node) REFERENCES use (trajectory, node), 
	FOREIGN KEY(steer) REFERENCES steer (id)
);
INSERT INTO "rejected" VALUES(1,'a-0','a','94eef79b75d7a01d82148320a4ce1d52',7,'shown',NULL);
INSERT INTO "rejected" VALUES(2,'a-1','a','725ab3897091150e84290be694d2855f',11,'shown',NULL);
INSERT INTO "rejected" VALUES(3,'a-2','a','9f8757b79b3745c1c44ca81eeacd21e7',15,'shown',NULL);
INSERT INTO "rejected" VALUES(4,'b-0','b','2a389dd632da05c329606e1eaa7232b1',7,'shown',NULL);
INSERT INTO "rejected" VALUES(5,'b-1','b','7af758bcdc14d599df4dec281993902c',11,'shown',NULL);
CREATE TABLE review (
	seq INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	client VARCHAR NOT NULL, 
	model TEXT, 
	at DOUBLE NOT NULL, 
	kind VARCHAR NOT NULL, 
	certain BOOLEAN NOT NULL, 
	why TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE TABLE review_state (
	seq INTEGER NOT NULL, 
	review VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	"by" TEXT, 
	at DOUBLE NOT NULL, 
	trajectory VARCHAR, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(review) REFERENCES review (id)
);
CREATE TABLE steer (
	seq INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	trajectory VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	fork_node VARCHAR NOT NULL, 
	fork_depth INTEGER NOT NULL, 
	chosen_node VARCHAR, 
	chosen_depth INTEGER, 
	reason TEXT, 
	annotator TEXT, 
	weight DOUBLE NOT NULL, 
	shown INTEGER, 
	received INTEGER, 
	started DOUBLE, 
	created DOUBLE, 
	state VARCHAR NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(trajectory, fork_node) REFERENCES use (trajectory, node), 
	FOREIGN KEY(trajectory, chosen_node) REFERENCES use (trajectory, node), 
	UNIQUE (id), 
	FOREIGN KEY(trajectory) REFERENCES trajectory (id)
);
INSERT INTO "steer" VALUES(1,'a-0','a','typed','94eef79b75d7a01d82148320a4ce1d52',5,'85dc5ba874dfc9c4d460315edacf4d3c',7,NULL,'ann',1.0,NULL,NULL,NULL,NULL,'active');
INSERT INTO "steer" VALUES(2,'a-1','a','typed','725ab3897091150e84290be694d2855f',9,'42e2e1fb33b5367ff534181a4949b894',11,NULL,'ann',1.0,NULL,NULL,NULL,NULL,'active');
INSERT INTO "steer" VALUES(3,'a-2','a','typed','9f8757b79b3745c1c44ca81eeacd21e7',13,'eadeea582d214acd44902f62904a1e03',15,NULL,'ann',1.0,NULL,NULL,NULL,NULL,'active');
INSERT INTO "steer" VALUES(4,'b-0','b','typed','2a389dd632da05c329606e1eaa7232b1',5,'45860ad0280ebe27311457de9c46ac2b',7,NULL,'ann',1.0,NULL,NULL,NULL,NULL,'active');
INSERT INTO "steer" VALUES(5,'b-1','b','typed','7af758bcdc14d599df4dec281993902c',9,'3b990a2a0371c2df2d0f80d627c61956',11,NULL,'ann',1.0,NULL,NULL,NULL,NULL,'active');
CREATE TABLE steer_state (
	seq INTEGER NOT NULL, 
	steer VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	"by" TEXT, 
	at DOUBLE NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(steer) REFERENCES steer (id)
);
INSERT INTO "steer_state" VALUES(1,'a-1','withdrawn','ann',1.79570845620284795757e+09);
INSERT INTO "steer_state" VALUES(2,'b-0','approved','rev',1.79570845620772957806e+09);
CREATE TABLE tombstone (
	seq INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	why TEXT, 
	PRIMARY KEY (seq)
);
CREATE TABLE trajectory (
	seq INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	messages TEXT NOT NULL, 
	model_name TEXT, 
	model_weights VARCHAR, 
	tokenizer VARCHAR NOT NULL, 
	template VARCHAR, 
	sampler TEXT NOT NULL, 
	annotator TEXT, 
	source TEXT NOT NULL, 
	source_text TEXT, 
	"group" TEXT, 
	split TEXT, 
	created DOUBLE, 
	teaches VARCHAR DEFAULT 'steers' NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
INSERT INTO "trajectory" VALUES(1,'a','[]',NULL,NULL,'tok',NULL,'{}','ann','x',NULL,NULL,NULL,NULL,'steers');
INSERT INTO "trajectory" VALUES(2,'b','[]',NULL,NULL,'tok',NULL,'{}',NULL,'unknown',NULL,'g','dev',NULL,'steers');
CREATE TABLE trajectory_state (
	seq INTEGER NOT NULL, 
	trajectory VARCHAR NOT NULL, 
	head_node VARCHAR NOT NULL, 
	head_depth INTEGER NOT NULL, 
	status VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(trajectory, head_node) REFERENCES use (trajectory, node), 
	FOREIGN KEY(trajectory) REFERENCES trajectory (id)
);
INSERT INTO "trajectory_state" VALUES(1,'a','eadeea582d214acd44902f62904a1e03',15,'open',1.79570845618234801294e+09);
INSERT INTO "trajectory_state" VALUES(2,'b','3b990a2a0371c2df2d0f80d627c61956',11,'open',1.79570845619754552837e+09);
INSERT INTO "trajectory_state" VALUES(3,'a','eadeea582d214acd44902f62904a1e03',15,'accepted',1.79570845621445608145e+09);
CREATE TABLE use (
	seq INTEGER NOT NULL, 
	trajectory VARCHAR NOT NULL, 
	node VARCHAR(32) NOT NULL, 
	author VARCHAR NOT NULL, 
	logprobs BLOB, 
	PRIMARY KEY (seq), 
	UNIQUE (trajectory, node), 
	FOREIGN KEY(trajectory) REFERENCES trajectory (id), 
	FOREIGN KEY(node) REFERENCES node (id)
);
INSERT INTO "use" VALUES(1,'a','e7d750e3f07299a5ff7d8fd92a166711','prompt',NULL);
INSERT INTO "use" VALUES(2,'a','94eef79b75d7a01d82148320a4ce1d52','model',X'9A9999999999B9BF555555555555D5BF00000000000000C00000000000000000');
INSERT INTO "use" VALUES(3,'a','85dc5ba874dfc9c4d460315edacf4d3c','person',NULL);
INSERT INTO "use" VALUES(4,'a','725ab3897091150e84290be694d2855f','model',X'9A9999999999B9BF555555555555D5BF00000000000000C0000000000000F0BF');
INSERT INTO "use" VALUES(5,'a','42e2e1fb33b5367ff534181a4949b894','person',NULL);
INSERT INTO "use" VALUES(6,'a','9f8757b79b3745c1c44ca81eeacd21e7','model',X'9A9999999999B9BF555555555555D5BF00000000000000C000000000000000C0');
INSERT INTO "use" VALUES(7,'a','eadeea582d214acd44902f62904a1e03','person',NULL);
INSERT INTO "use" VALUES(8,'b','7c9a8ff85a78da8ae08923321fb74322','prompt',NULL);
INSERT INTO "use" VALUES(9,'b','2a389dd632da05c329606e1eaa7232b1','model',X'9A9999999999B9BF555555555555D5BF00000000000000C00000000000000000');
INSERT INTO "use" VALUES(10,'b','45860ad0280ebe27311457de9c46ac2b','person',NULL);
INSERT INTO "use" VALUES(11,'b','7af758bcdc14d599df4dec281993902c','model',X'9A9999999999B9BF555555555555D5BF00000000000000C0000000000000F0BF');
INSERT INTO "use" VALUES(12,'b','3b990a2a0371c2df2d0f80d627c61956','person',NULL);
CREATE INDEX ix_tombstone_id ON tombstone (id);
CREATE INDEX ix_exchange_at ON exchange (at);
CREATE INDEX ix_exchange_client ON exchange (client);
CREATE INDEX ix_review_client ON review (client);
CREATE INDEX ix_review_state_review ON review_state (review);
CREATE INDEX ix_trajectory_state_trajectory ON trajectory_state (trajectory);
CREATE INDEX ix_steer_trajectory ON steer (trajectory);
CREATE INDEX ix_rejected_steer ON rejected (steer);
CREATE INDEX ix_rejected_trajectory ON rejected (trajectory);
CREATE INDEX ix_steer_state_steer ON steer_state (steer);
COMMIT;
